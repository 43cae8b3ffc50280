#!/bin/sh
# prune-releases FOLDER KEEP LINK...: removes the oldest releases of a folder, so that KEEP stay and
# those in use, which are where a LINK (or a pattern of such) leads, and where a process works or
# runs from.
cd -P "$1" || exit 1
keep=$2
shift 2
# Patterns are expanded, not split.
IFS=
# shellcheck disable=SC2068
links=$(readlink -f $@ 2>/dev/null)
unset IFS
used=$({
  echo "$links"
  readlink /proc/[0-9]*/cwd /proc/[0-9]*/exe
} 2>/dev/null | sed -n "s|^$PWD/\\([^/]*\\).*|\\1|p" | sort -u)
n=$(echo "$used" | grep -c .)
[ "$n" -gt 0 ] || exit 0
# The newest first; their names are ours.
# shellcheck disable=SC2012
ls -1t | while IFS= read -r release; do
  [ -d "$release" ] && [ ! -L "$release" ] || continue
  echo "$used" | grep -qxF -- "$release" && continue
  if [ -e "$release/RELEASE" ]; then
    n=$((n + 1))
    [ "$n" -gt "$keep" ] || continue
  fi
  # A release without its stamp counts as absent: so that goes first, and what is left by an
  # interruption is nobody's release.
  rm -f "$release/RELEASE" && rm -rf "./$release"
done
