#!/bin/sh
# install-packages NAME...: the lists are fetched only when they cannot name a package.
. resources/apt.sh
install() { get -y --no-install-recommends install "$@"; }
apt-cache show "$@" >/dev/null 2>&1 || apt_get update || exit 1
install "$@" || { apt_get update && install "$@"; }
