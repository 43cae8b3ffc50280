#!/bin/sh
# tell-drained NAME SECONDS [ANSWER TRIES UNIT...]: tells the gateway of this user that an instance gets
# no new requests for SECONDS, and waits up to TRIES times 0.2 s until each UNIT that runs answers with
# ANSWER (a pattern of grep). Prints what else one answers: how many requests run there, or "none".
name=$1 seconds=$2 wanted=$3 tries=$4
shift 2
cd "$XDG_RUNTIME_DIR/llmrack" 2>/dev/null || exit 0
mkdir -p drain && read -r up _ </proc/uptime && echo $((${up%.*} + seconds)) >".drain-$name" &&
  mv -f ".drain-$name" "drain/$name" || exit 1
[ $# -gt 0 ] || exit 0
shift 2
# A dot in a name stands for itself.
line="^$(echo "$name" | sed 's/[.]/[.]/g') "
n=0
while [ $n -lt "$tries" ]; do
  n=$((n + 1)) left=
  for unit; do
    process=$(systemctl --user show -P MainPID "$unit")
    [ "$process" = 0 ] && continue
    answer=$(grep "$line" "drained/$process" 2>/dev/null) || answer="$name none"
    echo "$answer" | grep -q "$line$wanted\$" || left=${answer#* }
  done
  [ -n "$left" ] || exit 0
  sleep 0.2
done
echo "${left% *}"
