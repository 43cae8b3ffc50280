#!/bin/sh
# merge-environment PATH MODE SIZE: merges KEY=value lines from standard input into an environment
# file, which stays as it is where fewer bytes than SIZE arrive.
. resources/receive.sh
umask 077
beside=$(mktemp "$1.XXXXXX") && trap 'rm -f "$beside" "$beside.in"' EXIT &&
  receive "$beside.in" "$3" && { [ -e "$1" ] || : >"$1"; } &&
  awk '
    { key = $0; sub(/=.*/, "", key) }
    FILENAME == ARGV[1] { new[key] = $0; order[++n] = key; next }
    key in new { if (!(key in done)) print new[key]; done[key] = 1; next }
    { print }
    END { for (j = 1; j <= n; j++) if (!(order[j] in done)) print new[order[j]] }
  ' "$beside.in" "$1" >"$beside" && chmod "$2" "$beside" && mv -fT "$beside" "$1"
