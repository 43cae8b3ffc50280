#!/bin/sh
# The one program that the key of a copy is good for: `<SHA-256 in hex> <bytes to leave out>` is asked
# for, that blob of the folder MODELS is sent. It becomes one line of authorized_keys
# (copy_scripts.py), so it has no quotes, and MODELS is replaced.
# shellcheck disable=SC2086
case $SSH_ORIGINAL_COMMAND in *[!0-9a-f\ ]*) exit 65 ;; esac;
set -f;
set -- $SSH_ORIGINAL_COMMAND;
[ $# = 2 ] && [ ${#1} = 64 ] || exit 65;
case $2 in *[!0-9]*) exit 65 ;; esac;
exec tail -c +$(($2 + 1)) MODELS/blobs/sha256-$1
