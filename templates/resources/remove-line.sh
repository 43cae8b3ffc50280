#!/bin/sh
# remove-line PATH LINE: writes the file without the line beside, then renames.
beside=$(mktemp "$1.XXXXXX") && trap 'rm -f "$beside"' EXIT || exit 1
grep -vxF -e "$2" "$1" >"$beside"
chmod --reference="$1" "$beside" && mv -fT "$beside" "$1"
