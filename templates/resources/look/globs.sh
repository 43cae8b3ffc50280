#!/bin/sh
# globs PATTERN...: prints the paths that match, as paths.sh does.
# Patterns are expanded, not split.
IFS=
# shellcheck disable=SC2068
find $@ -maxdepth 0 -printf 'path\t%p\t%y\t%u\t%m\t%l\n' 2>/dev/null
