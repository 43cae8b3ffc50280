#!/bin/sh
# user-units USER UNIT...: prints the states of a user's units; nothing where its manager is not.
. resources/look/unit-states.sh
uid=$(id -u "$1" 2>/dev/null) && gid=$(id -g "$1") && [ -S "/run/user/$uid/bus" ] || exit 0
shift
export XDG_RUNTIME_DIR="/run/user/$uid"
setpriv --reuid="$uid" --regid="$gid" --init-groups \
  systemctl --user show -p Id -p ActiveState -p UnitFileState "$@" |
  unit_states "$XDG_RUNTIME_DIR/llmrack"
