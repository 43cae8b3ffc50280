#!/bin/sh
# cut-off USER HOST PORT VERDICT TABLE: what the user sends to a port of HOST is dropped or rejected, by a
# table of nftables. Only what the gateway's own user sends: nobody else on the host shall notice.
found=$(getent ahosts "$2" | cut -d' ' -f1 | sort -u)
[ -n "$found" ] || {
  echo "no address of $2 is found"
  exit 1
}
for address in $found; do
  case $address in *:*) family=ip6 ;; *) family=ip ;; esac
  echo "meta skuid $1 $family daddr $address tcp dport $3 $4"
done | {
  echo "table $5 { chain output { type filter hook output priority -10;"
  cat
  echo '}'
  echo '}'
} | nft -f -
