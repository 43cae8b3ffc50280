#!/bin/sh
# write-credentials PATH: writes a key from standard input for root and the group prometheus.
umask 077
beside=$(mktemp "$1.XXXXXX") && trap 'rm -f "$beside"' EXIT && cat >"$beside" &&
  chgrp prometheus "$beside" && chmod 640 "$beside" && mv -fT "$beside" "$1"
