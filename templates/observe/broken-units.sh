#!/bin/sh
# broken-units USER UNIT...: prints each unit of the user's manager that has failed, or that systemd
# starts again and again: unit NAME ACTIVE SUB RESULT RESTARTS. The last lines that the journal has of
# it follow: line NAME TEXT. Root reads the journal of other users.
user=$1
shift
uid=$(id -u "$user" 2>/dev/null) || exit 0
show() {
  setpriv --reuid="$uid" --regid="$(id -g "$user")" --init-groups env -i PATH="$PATH" \
    XDG_RUNTIME_DIR="/run/user/$uid" systemctl --user show -P "$2" "$1"
}
began_just_now() {
  began=$(show "$1" ActiveEnterTimestamp)
  [ $(($(date +%s) - $(date +%s -d "${began:-@0}"))) -lt 10 ]
}
for unit; do
  active=$(show "$unit" ActiveState) sub=$(show "$unit" SubState) result=$(show "$unit" Result)
  # Neither a socket nor an older systemd has a number of restarts.
  restarts=$(show "$unit" NRestarts)
  case $active/$sub in
    # auto-restart-queued since systemd 254.
    failed/* | */auto-restart*) ;;
    # It is started once more, which takes a gateway and an engine that waits for its card most of
    # the time between two failures.
    activating/*) [ "${restarts:-0}" -ge 1 ] || continue ;;
    # It may have started a moment ago, to fail again.
    active/*) [ "${restarts:-0}" -ge 2 ] && began_just_now "$unit" || continue ;;
    *) continue ;;
  esac
  printf 'unit\t%s\t%s\t%s\t%s\t%s\n' "$unit" "$active" "$sub" "$result" "${restarts:-0}"
  journalctl -q --no-pager -o short-iso -n 8 \
    "_SYSTEMD_USER_UNIT=$unit" "_UID=$uid" + "USER_UNIT=$unit" "_UID=$uid" |
    while read -r line; do printf 'line\t%s\t%s\n' "$unit" "$line"; done
done
