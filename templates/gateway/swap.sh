#!/bin/sh
# swap BASE ENVIRONMENT NAMES UNIT_FILE OLD NEW RELEASE ALONE BESIDE: starts a release, watches it, notes
# it, and stops the old one; where that fails, all the way back. ALONE and BESIDE: seconds that it is
# watched before it takes requests, and then beside the old one.
. gateway/go-back.sh
. gateway/stop-colour.sh
base=$1 environment=$2 names=$3 unit_file=$4 old=$5 new=$6 release=$7 alone=$8 beside_old=$9
unit=$(unit_of "$new") started=$base/started/$new
private=$XDG_RUNTIME_DIR/llmrack/gateway-$new

fail() {
  echo "$unit $1; its journal ends with:"
  journalctl --user -q -n 15 --no-pager -o cat -u "$unit"
  rm -f "$private.hold"
  # Or it would be tried again and again, and one day serve beside the old one. Alone it shall be.
  [ -z "$old" ] || stop_unit "$unit"
  back
  exit 1
}
runs() { [ "$(systemctl --user show -P MainPID "$unit")" = "$pid" ]; }
watch() {
  # In milliseconds: whole seconds would cut the first one short.
  end=$(($(date +%s%3N) + ${1}000))
  while
    runs || fail 'ended by itself'
    curl -fs -o /dev/null --max-time 5 --unix-socket "$private.sock" \
      http://gateway/health/readiness || {
      runs && fail 'does not answer' || fail 'ended by itself'
    }
    [ "$(date +%s%3N)" -lt $end ]
  do sleep 0.2; done
}
# Keys are in it.
note() (
  umask 077
  rm -rf "$started.new" && mkdir -p "$started.new" && ln -s "$release" "$started.new/release" &&
    cp "$environment" "$started.new/gateway.env" && cp "$unit_file" "$started.new/unit" &&
    sync -f "$started.new" && rm -rf "$started" && mv -T "$started.new" "$started"
)

lead "$new" "$release" || fail 'cannot be given its release'
rm -f "$private.hold"
# Held back, it takes no request from the socket (serve.py).
[ -z "$old" ] || ! systemctl --user -q is-active "$(unit_of "$old")" || : >"$private.hold"
systemctl --user reset-failed "$unit" 2>/dev/null
systemctl --user start "$unit" || fail 'does not start'
pid=$(systemctl --user show -P MainPID "$unit")
if [ -n "$old" ] && [ -e "$private.hold" ]; then
  watch "$alone"
  rm "$private.hold"
fi
watch "$beside_old"
note || fail 'cannot be noted'
lead current "$release" && systemctl --user -q enable "$unit" || fail 'cannot be made the current one'
[ -n "$old" ] || exit 0
systemctl --user -q disable "$(unit_of "$old")"
stop_unit "$(unit_of "$old")"
