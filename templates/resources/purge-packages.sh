#!/bin/sh
# purge-packages NAME...: removes packages with their configuration, then forgets them.
. resources/notes.sh
export DEBIAN_FRONTEND=noninteractive
apt-get -y -q -o DPkg::Lock::Timeout=300 -o APT::Get::AutomaticRemove=false \
  purge "$@" </dev/null || exit 1
for package; do forget "package $package"; done
