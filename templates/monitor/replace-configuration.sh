#!/bin/sh
# replace-configuration FOLDER SERVICE [NAME new|kept SIZE]...: writes Prometheus' files beside those
# in FOLDER, has promtool check them, replaces these, and has SERVICE, if there is one, read them.
# The files follow each other on standard input; of one that is kept the old one is taken.
. resources/receive.sh
folder=$1 service=$2
beside=$folder/new
shift 2
umask 022
rm -rf "$beside" && mkdir "$beside" || exit 1
while [ $# -gt 0 ]; do
  receive "$beside/$1" "$3" || exit 1
  [ "$2" = new ] || cp -p "$folder/$1" "$beside/" || exit 1
  shift 3
done
promtool check config "$beside/prometheus.yml" && mv -f "$beside"/* "$folder/" &&
  rmdir "$beside" || exit 1
[ -z "$service" ] || ! systemctl -q is-active "$service" || systemctl reload "$service"
