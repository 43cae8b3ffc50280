#!/bin/sh
# packages NAME...: prints the state of each that dpkg knows: package NAME STATE.
dpkg-query -W -f 'package\t${Package}\t${db:Status-Status}\n' "$@" 2>/dev/null
