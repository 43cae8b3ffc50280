#!/bin/sh
# write-file PATH MODE SIZE: writes standard input, whole or not at all, closed from the start.
. resources/receive.sh
umask 077
beside=$(mktemp "$1.XXXXXX") && trap 'rm -f "$beside"' EXIT &&
  receive "$beside" "$3" && chmod "$2" "$beside" && mv -fT "$beside" "$1"
