#!/bin/sh
# note LINE and forget LINE: what llmrack itself made (resources/ownership.py), for root. What is
# noted is on the disk.
note() (
  made=/var/lib/llmrack/made
  umask 022
  mkdir -p "${made%/*}" || exit 1
  grep -qxF -e "$1" $made 2>/dev/null || { echo "$1" >>$made && sync $made; }
)
forget() (
  made=/var/lib/llmrack/made
  umask 022
  [ -e $made ] || exit 0
  grep -vxF -e "$1" $made >$made.new
  # 1: it was the only line. With anything else, as on a full disk, the old notes stay.
  [ $? -le 1 ] && mv -f $made.new $made
)
