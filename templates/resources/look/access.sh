#!/bin/sh
# access USER PATH PARENT...: prints whether the user may write to a folder: access PATH VERDICT WHERE.
# Each parent (from the topmost to the folder itself) is tried in turn, as the user; one that is
# still to be made has the rights of nobody.
user=$1
shift
uid=$(id -u "$user" 2>/dev/null || echo 65534)
gid=$(id -g "$user" 2>/dev/null || echo 65534)
groups=--init-groups
[ "$uid" != 65534 ] || groups=--clear-groups
# shellcheck disable=SC2016
setpriv --reuid="$uid" --regid="$gid" $groups sh -c '
  path=$1
  shift
  say() {
    printf "access\t%s\t%s\t%s\n" "$path" "$1" "$2"
    exit
  }
  last=/
  for parent; do
    [ -e "$parent" ] || break
    last=$parent
    [ -d "$parent" ] || say "not a folder" "$parent"
    [ -x "$parent" ] || say closed "$parent"
  done
  [ ! -w "$last" ] || say ok "$last"
  [ "$last" = "$path" ] || [ "$(stat -c %u "$last")" != 0 ] || say root "$last"
  say read-only "$last"
' sh "$@" 2>/dev/null
