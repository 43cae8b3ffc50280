#!/bin/bash
# hold-lock RUN WHO PROCESS SEEN HELD BUSY LAST_RUN PATIENCE LEFTOVERS: takes a host's lock, says so,
# and holds it for as long as a line comes on standard input every PATIENCE seconds.
# RUN, WHO, PROCESS: this run's id, who it is, its process. SEEN: LAST_RUN as this run saw it.
# HELD, BUSY, LAST_RUN: files (llmrack/deploy/run/held.py). LEFTOVERS: seconds for what a dead run has
# left at work to end.
#
# It is for bash, which Debian always has, as its read knows a timeout.
run=$1 who=$2 process=$3 seen=$4 held=$5 busy=$6 last_run=$7 patience=$8 leftovers=$9
since=$(date -u +%FT%TZ) by='' last=''
umask 022
mkdir -p "${held%/*}" "${last_run%/*}" || exit 1
note() {
  echo "$run $who $process $since $1" >"$last_run.new" && mv -f "$last_run.new" "$last_run"
}
listen() { while read -r -t "$patience"; do :; done; }

umask 077
exec 9<>"$held" || exit 1
if ! flock -w 2 9; then
  read -r by rest <"$held"
  # Another host of this run may be the same machine under another name.
  [ "$by" = "$run" ] && {
    echo held
    listen
    exit
  }
  echo "busy $(($(date +%s) - $(stat -c %Y "$held"))) $rest"
  exit 1
fi
umask 022
read -r last 2>/dev/null <"$last_run"
[ "$last" = "$seen" ] || [ "${last%% *}" = "$run" ] || {
  echo "stale ${last#* }"
  exit 1
}
echo "$run $who $process $since" >"$held"
umask 077
exec 8<>"$busy" || exit 1
flock -n 8 || {
  echo waiting
  flock -w "$leftovers" 8
} || {
  echo leftovers
  exit 1
}
exec 8>&-
umask 022
note running && echo held || exit 1
listen
# A removal takes all of this along.
[ ! -e "$last_run" ] || {
  : >"$held"
  note ended
}
