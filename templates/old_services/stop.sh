#!/bin/sh
# take ENTRY: stops a service and keeps it from starting again; the state before is noted first. One that
# the host does not have is left alone.
. resources/notes.sh
. old_services/functions.sh
take() {
  case $1 in
    docker:* | podman:*) take_container "$1" ;;
    *) take_unit "$1" ;;
  esac
}
take_unit() {
  exists "$1" || return 0
  unit=$(property "$1" Id)
  # What is noted is older, and from before llmrack.
  [ -n "$(noted_of "$1")" ] || note "replaced $1 $(state_of "$unit")" || return 1
  file=$(drop_in_of "$unit")
  (
    umask 022
    mkdir -p "${file%/*}" && printf '%s\n' \
      '# Managed by llmrack, which serves in the place of this unit, as the setting replaces has it.' \
      '# Without that entry, and after a removal of llmrack, this file is gone.' '[Unit]' \
      'ConditionPathExists=!/etc/systemd/system/%n.d/llmrack-replaces.conf' >"$file.new" &&
      mv -f "$file.new" "$file"
  ) && systemctl daemon-reload || return 1
  # Units that require it go on: llmrack's answers them.
  systemctl --job-mode=ignore-dependencies stop -- "$unit" && [ "$(state_of "$unit")" = stopped ]
}
take_container() {
  inspect "$1" || return 0
  [ -n "$(noted_of "$1")" ] || note "replaced $1 $runs $policy" || return 1
  if [ "$policy" != no ]; then
    "$program" update --restart=no "$container" >/dev/null || {
      echo "$program cannot take the restart policy $policy from $container (Podman can from 5.1 on):" \
        "disable podman-restart.service, or let a unit start the container (podman generate systemd" \
        "--new) and name that unit"
      return 1
    }
  fi
  [ "$runs" = stopped ] || "$program" stop -t 30 "$container" >/dev/null
}
