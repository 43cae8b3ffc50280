#!/bin/sh
# take-from-user USER [LINE]...: takes from a user that was there what llmrack gave it, each by the
# line that was noted: "linger USER", "group GROUP USER".
. resources/notes.sh
user=$1
shift
for line; do
  case $line in
    linger*) loginctl disable-linger "$user" ;;
    *)
      group=${line#group }
      gpasswd -d "$user" "${group% *}" >/dev/null
      ;;
  esac && forget "$line" || exit 1
done
