#!/bin/sh
# start-unit --system|--user UNIT SECONDS [URL]: enables a unit, starts it anew, and waits until URL
# answers.
manager=$1 unit=$2 seconds=$3 url=$4
fail() {
  echo "$unit $1; its journal ends with:"
  journalctl "$manager" -q -n 15 --no-pager -o cat -u "$unit"
  exit 1
}
systemctl "$manager" daemon-reload && systemctl "$manager" -q enable "$unit" &&
  systemctl "$manager" reset-failed "$unit" 2>/dev/null
systemctl "$manager" restart "$unit" || fail 'does not start'
[ -n "$url" ] || exit 0
end=$(($(date +%s) + seconds))
until curl -fs -o /dev/null --noproxy '*' --max-time 2 "$url"; do
  [ "$(date +%s)" -lt $end ] || fail "did not answer within $seconds s"
  # A unit that was restarted so often before it answered even once is not going to.
  [ "$(systemctl "$manager" show -P NRestarts "$unit")" -lt 3 ] || fail 'ends again and again'
  sleep 0.2
done
