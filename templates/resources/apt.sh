#!/bin/sh
# get APT-GET [OPTION]... install PACKAGE...: installs, and notes the packages that come new, for root.
. resources/notes.sh
get() {
  # Of an installation that was cut off dpkg has kept a journal, and apt refuses to work before it
  # is read. Its files are numbers.
  # shellcheck disable=SC2010
  if ls /var/lib/dpkg/updates | grep -q '^[0-9]*$'; then dpkg --configure -a </dev/null; fi
  # As in "Inst zstd (1.5.4 ...)"; where another version comes the old one follows in brackets.
  new=$(LC_ALL=C "$@" -s </dev/null | sed -n 's/^Inst \([^ ]*\) (.*/\1/p')
  for package in $new; do note "package $package" || return 1; done
  "$@" </dev/null && return
  for package in $new; do
    case $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) in
      '' | not-installed | config-files) forget "package $package" ;;
    esac
  done
  return 1
}
