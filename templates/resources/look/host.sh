#!/bin/sh
# Prints what a host is: fact NAME VALUE, separated by tabs.
fact() { printf 'fact\t%s\t%s\n' "$1" "$2"; }
fact arch "$(uname -m)"
read -r first </proc/1/comm
fact pid1 "$first"
fact uid "$(id -u)"
fact systemd "$(systemctl --version 2>/dev/null | { read -r _ version _ && echo "${version%%[!0-9]*}"; })"
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
# Why user managers get no user namespaces that are of use, if they do not: a setting that is 0, or
# AppArmor, unless a profile lets systemd's executor have them.
has() { { read -r value <"/proc/sys/$1" && [ "$value" = "$2" ]; } 2>/dev/null; }
if has user/max_user_namespaces 0; then
  fact no_namespaces user.max_user_namespaces
elif has kernel/unprivileged_userns_clone 0; then
  fact no_namespaces kernel.unprivileged_userns_clone
elif has kernel/apparmor_restrict_unprivileged_userns 1 &&
  ! grep -qs '^[^#]*/systemd-executor' /etc/apparmor.d/*; then
  fact no_namespaces apparmor
fi
