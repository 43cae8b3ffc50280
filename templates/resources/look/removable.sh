#!/bin/sh
# Prints which of the noted packages are installed (package NAME installed), and which of those can
# go, since nothing else depends on them and nobody has edited their configuration (removable NAME).
# The apt that is asked is told that they alone came as dependencies.
noted=$(sed -n 's/^package //p' /var/lib/llmrack/made 2>/dev/null)
[ -n "$noted" ] || exit 0
# Names of packages: each is a word.
# shellcheck disable=SC2086
installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $noted 2>/dev/null |
  sed -n 's/^installed //p')
[ -n "$installed" ] || exit 0
states=$(mktemp) && trap 'rm -f "$states"' EXIT
unedited=
for package in $installed; do
  printf 'package\t%s\tinstalled\n' "$package"
  files=$(dpkg-query -W -f '${Conffiles}\n' "$package" |
    sed -n 's|^ \(/.*\) \([0-9a-f]\{32\}\)$|\2  \1|p')
  [ -z "$files" ] || echo "$files" | md5sum -c --status 2>/dev/null || continue
  unedited="$unedited $package"
done
# shellcheck disable=SC2086
apt-mark -o Dir::State::extended_states="$states" auto $unedited >/dev/null 2>&1
apt-get -s -o Dir::State::extended_states="$states" -o APT::AutoRemove::RecommendsImportant=false \
  -o APT::AutoRemove::SuggestsImportant=false autoremove 2>/dev/null |
  sed -n 's/^Remv \([^ ]*\) .*/removable\t\1/p'
