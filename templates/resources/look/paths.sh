#!/bin/sh
# paths PATH...: prints those that are there: path PATH KIND OWNER MODE LINK.
find "$@" -maxdepth 0 -printf 'path\t%p\t%y\t%u\t%m\t%l\n' 2>/dev/null
