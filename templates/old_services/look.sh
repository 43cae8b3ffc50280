#!/bin/sh
# look MODELS ENTRY...: prints how each service is that `replaces` names; nothing of one that the
# host does not have (components/old_services/services.py reads it):
#   old unit ENTRY UNIT running|stopped held|free noted|new PORTS
#   old container ENTRY ID running|stopped held|free noted|new PORTS kept|removed PID
#   old models ENTRY FOLDER BYTES USER HOME: of one that has another models directory than MODELS,
#     and models that MODELS has not
# held: systemd, or the program of containers, does not start it again; removed: once it is stopped.
. old_services/functions.sh
models=$1
shift

# Whether MODELS has every model of a folder, as hard links or copies.
has_all() {
  # shellcheck disable=SC2016
  lacking=$(cd "$1/manifests" && find . -type f -exec sh -c '
    new=$0
    for file; do [ -e "$new/manifests/$file" ] || echo "$file"; done' "$models" {} +)
  [ -z "$lacking" ] && [ -n "$(find "$1/manifests" -type f)" ]
}
tell_models() {
  folder=$2
  [ -d "$folder/manifests" ] && [ "$(readlink -f "$folder")" != "$(readlink -f "$models")" ] || return
  ! has_all "$folder" || return
  printf 'old\tmodels\t%s\t%s\t%s\t%s\t%s\n' "$1" "$folder" "$(du -sB1 "$folder" | cut -f1)" "$3" "$4"
}
# The variables of a unit: of its process, or as its files have them.
variables() {
  pid=$(property "$1" MainPID)
  if [ "${pid:-0}" -gt 0 ]; then
    tr '\0' '\n' <"/proc/$pid/environ"
  else
    property "$1" Environment | tr ' ' '\n' | tr -d '"'
  fi 2>/dev/null
}
tell_unit() {
  exists "$1" || return
  unit=$(property "$1" Id)
  held=free
  if [ -e "$(drop_in_of "$unit")" ] || [ "$(property "$unit" LoadState)" = masked ]; then held=held; fi
  # As in "0.0.0.0:4000 (Stream)".
  ports=
  case $unit in
    *.socket) ports=$(property "$unit" Listen | sed -n 's/^[^ ]*:\([0-9]*\) (Stream)$/\1/p' | xargs) ;;
  esac
  printf 'old\tunit\t%s\t%s\t%s\t%s\t%s\t%s\n' "$1" "$unit" "$(state_of "$unit")" "$held" "$2" "$ports"
  user=$(property "$unit" User)
  home=$(getent passwd "${user:-root}" | cut -d: -f6)
  folder=$(variables "$unit" | sed -n 's/^OLLAMA_MODELS=//p')
  tell_models "$1" "${folder:-$home/.ollama/models}" "${user:-root}" "$home"
}
tell_container() {
  inspect "$1" || return
  held=held
  [ "$policy" = no ] || held=free
  removed=kept
  [ "$automatic" != true ] || removed=removed
  printf 'old\tcontainer\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' \
    "$1" "$id" "$runs" "$held" "$2" "$ports" $removed "$pid"
  tell_models "$1" "$folder" '' ''
}
for entry; do
  noted=new
  [ -z "$(noted_of "$entry")" ] || noted=noted
  case $entry in
    docker:* | podman:*) tell_container "$entry" $noted ;;
    *) tell_unit "$entry" $noted ;;
  esac
done
