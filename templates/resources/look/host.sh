#!/bin/sh
# Prints what a host is: fact NAME VALUE, separated by tabs.
fact() { printf 'fact\t%s\t%s\n' "$1" "$2"; }
fact arch "$(uname -m)"
read -r first </proc/1/comm
fact pid1 "$first"
fact uid "$(id -u)"
fact systemd "$(systemctl --version 2>/dev/null | { read -r _ version _ && echo "$version"; })"
# shellcheck disable=SC1091
[ ! -r /etc/os-release ] || . /etc/os-release
fact os "$ID"
fact os_version "$VERSION_ID"
# Debian's python3 is a link that tells its version, which saves starting it.
python=$(readlink -f "$(command -v python3)")
case $python in
  */python3.[0-9] | */python3.[0-9][0-9]) python=${python##*python} ;;
  *) python=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) ;;
esac
fact python "$python"
! command -v apt-get >/dev/null || fact apt yes
fact time "$(date -u '+%s %F %R')"
