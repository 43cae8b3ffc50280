#!/bin/sh
# change-keys RUN COPY [OPTIONS]: takes the key of COPY, and those of other runs' copies, out of
# authorized_keys; with OPTIONS the key on standard input is let in by these. RUN is what the names
# of this run's copies begin with: they stay, so what a killed run left goes.
run=$1 copy=$2 options=$3
umask 077
# The home is what is locked: a file for it would stay behind.
exec 9<"$HOME" && flock 9 || exit 1
mkdir -p "$HOME/.ssh" && file=$(readlink -f "$HOME/.ssh/authorized_keys") || exit 1
new=$(mktemp "$file.XXXXXX") || exit 1
trap 'rm -f "$new"' EXIT
if [ -e "$file" ]; then
  awk -v run=" llmrack-copy-$run" -v copy="$copy" '
    !index($0, " llmrack-copy-") || index($0, run) && !index($0, copy)
  ' "$file" >"$new" && chmod --reference="$file" "$new" || exit 1
fi
if [ -n "$options" ]; then
  read -r key
  # expiry-time is in the host's local time (sshd(8)).
  until=$(date -d "6 hours" +%Y%m%d%H%M)
  printf '%s,expiry-time="%s" %s llmrack-copy-%s\n' "$options" "$until" "$key" "$copy" >>"$new" ||
    exit 1
fi
if [ -s "$new" ]; then mv -fT "$new" "$file"; else
  rm -f "$file" "$new"
  rmdir "$HOME/.ssh" 2>/dev/null || :
fi
