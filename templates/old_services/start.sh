#!/bin/sh
# back ENTRY: brings a service back as it is noted, and forgets the note. It fails where the service does
# not stay up.
. resources/notes.sh
. old_services/functions.sh
back() {
  state=$(noted_of "$1")
  [ -n "$state" ] || return 0
  case $1 in
    docker:* | podman:*) back_container "$1" ;;
    *) back_unit "$1" ;;
  esac || return 1
  forget "replaced $1 $state"
}
back_unit() {
  unit=$(property "$1" Id)
  file=$(drop_in_of "$unit")
  rm -f "$file" || return 1
  rmdir "${file%/*}" 2>/dev/null
  systemctl daemon-reload
  [ "$state" = running ] && exists "$unit" || return 0
  systemctl reset-failed -- "$unit" 2>/dev/null
  systemctl start -- "$unit"
  # One whose port is taken ends at once.
  sleep 3
  restarts=$(property "$unit" NRestarts)
  [ "$(property "$unit" ActiveState)" = active ] && [ "${restarts:-0}" -lt 1 ] || {
    echo "$unit does not stay up; its journal ends with:"
    journalctl -q -n 5 --no-pager -o cat -u "$unit"
    return 1
  }
  echo "$unit runs again"
}
back_container() {
  # Somebody may have removed it.
  inspect "$1" || return 0
  if [ "${state#* }" != no ] && [ "${state#* }" != "$policy" ]; then
    "$program" update --restart="${state#* }" "$container" >/dev/null || return 1
  fi
  [ "${state% *}" = running ] && [ "$runs" = stopped ] || return 0
  "$program" start "$container" >/dev/null || return 1
  echo "$1 runs again"
}
