#!/bin/sh
# purge-packages NAME...: removes packages with their configuration, then forgets them.
. resources/apt.sh
apt_get -y -o APT::Get::AutomaticRemove=false purge "$@" || exit 1
for package; do forget "package $package"; done
