#!/bin/sh
# install-packages NAME...: the lists are fetched only when they cannot name a package.
. resources/apt.sh
export DEBIAN_FRONTEND=noninteractive
install() {
  get apt-get -y -q --no-install-recommends -o DPkg::Lock::Timeout=300 install "$@"
}
apt-cache show "$@" >/dev/null 2>&1 || apt-get -q update </dev/null || exit 1
install "$@" || { apt-get -q update </dev/null && install "$@"; }
