#!/bin/sh
# stop-units --system|--user COUNT PATTERN... PATH...: stops units, COUNT patterns of their names, and
# removes their files and the links that enabled them. All are stopped at once, those too that run
# without being enabled.
manager=$1 count=$2
shift 2
# Without linger and without a login there is no manager.
systemctl() {
  if [ "$manager" = --user ] && [ ! -S "$XDG_RUNTIME_DIR/bus" ]; then return; fi
  command systemctl "$manager" "$@"
}
patterns=
while [ "$count" -gt 0 ]; do
  patterns="$patterns $1" count=$((count - 1))
  shift
done
# Patterns are for systemctl to expand; their names hold no blanks.
set -f
# shellcheck disable=SC2086
systemctl stop $patterns || exit 1
rm -rf "$@" || exit 1
for path; do
  case $path in *.wants/*) rmdir "${path%/*}" 2>/dev/null ;; esac
done
systemctl daemon-reload
# shellcheck disable=SC2086
systemctl reset-failed $patterns 2>/dev/null
:
