#!/bin/sh
# apt_get WORD...: runs apt-get, which asks nothing. While another program uses apt, it waits.
# get OPTION... install PACKAGE...: installs in this way, and notes the packages that come new, for root.
. resources/notes.sh
# After an installation Ubuntu's needrestart restarts services (24.04), or asks which (22.04). It stays
# out of this one; an older one that runs all the same lists them ("l").
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 NEEDRESTART_MODE=l
apt_get() {
  tries=0
  while :; do
    { errors=$(LC_ALL=C apt-get -q -o DPkg::Lock::Timeout=300 "$@" 2>&1 >&3 3>&- </dev/null); } 3>&1
    code=$?
    # apt waits for dpkg's lock alone. It gives up at once on the locks of its lists and archives, which
    # its daily timer and unattended-upgrades take.
    case $errors in
      *'Could not get lock '*/lists/lock* | *'Could not get lock '*/archives/lock*) ;;
      *) break ;;
    esac
    [ $code != 0 ] && [ $tries -lt 100 ] || break
    [ $tries != 0 ] || printf '%s\n' "$errors" |
      sed -n 's/^[A-Za-z]*: \(Could not get lock\)/waiting for up to 5 min: \1/p'
    tries=$((tries + 1))
    sleep 3
  done
  [ -z "$errors" ] || printf '%s\n' "$errors" >&2
  return "$code"
}
get() {
  # Of an installation that was cut off dpkg has kept a journal, and apt refuses to work before it
  # is read. Its files are numbers.
  # shellcheck disable=SC2010
  if ls /var/lib/dpkg/updates | grep -q '^[0-9]*$'; then dpkg --configure -a </dev/null; fi
  # As in "Inst zstd (1.5.4 ...)"; where another version comes the old one follows in brackets.
  new=$(apt_get "$@" -s | sed -n 's/^Inst \([^ ]*\) (.*/\1/p')
  for package in $new; do note "package $package" || return 1; done
  apt_get "$@" && return
  for package in $new; do
    case $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) in
      '' | not-installed | config-files) forget "package $package" ;;
    esac
  done
  return 1
}
