#!/bin/sh
# line PATH LINE: prints whether the file has the line: line PATH.
! grep -qxF -e "$2" -- "$1" 2>/dev/null || printf 'line\t%s\n' "$1"
