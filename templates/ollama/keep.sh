#!/bin/sh
# keep KEPT ENVIRONMENTS UNIT CURRENT: keeps how it is, beside, then renames: the instances' environment
# files, their unit, the link to the release. What is kept already is older, and proven.
[ ! -e "$1" ] || exit 0
beside=$1.new environments=$2 unit=$3 current=$4
# With + find fails where a copy does.
rm -rf "$beside" && mkdir -p "$beside/env" &&
  { [ ! -d "$environments" ] ||
    find "$environments" -name '*.env' -exec cp -p -t "$beside/env/" {} +; } &&
  { [ ! -e "$unit" ] || cp -p "$unit" "$beside/unit"; } &&
  { [ ! -L "$current" ] || cp -P "$current" "$beside/current"; } &&
  mv -T "$beside" "$1" || {
  rm -rf "$beside"
  exit 1
}
