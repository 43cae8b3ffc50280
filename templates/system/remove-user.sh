#!/bin/sh
# remove-user USER HOME MODELS keep|empty [LINE]...: ends its processes, empties its home, removes it,
# and forgets the lines that were noted of it. MODELS (a folder) is root's then, and stays where it
# is kept or outside of HOME: whoever gets the number of the user later shall not get what was its.
# Filesystems mounted below are not entered; what could not go says so.
. resources/notes.sh
user=$1 home=$2 models=$3 keep=$4
shift 4
if uid=$(id -u "$user" 2>/dev/null); then
  loginctl disable-linger "$user"
  systemctl stop "user@$uid.service" "user-$uid.slice"
fi
inside=
case $models in "$home" | "$home"/*) inside=yes ;; esac
if [ -e "$models" ] && { [ "$keep" = keep ] || [ -z "$inside" ]; }; then
  [ "$keep" != keep ] || note "kept $models" || exit 1
  chown -hR root:root "$models" || exit 1
fi

# Everything but the models and the folders above them, which are root's then.
empty_around() {
  above=$models
  set -- ! -path "$models" ! -path "$models/*"
  while [ "$above" != "$home" ]; do
    above=${above%/*}
    set -- "$@" ! -path "$above"
  done
  find "$home" -xdev -depth -mindepth 1 "$@" -delete || return 1
  above=$models
  while [ "$above" != "$home" ]; do
    above=${above%/*}
    chown root:root "$above" || return 1
  done
}
if [ "$keep" = keep ] && [ -n "$inside" ]; then
  empty_around || exit 1
elif [ -d "$home" ]; then
  find "$home" -xdev -mindepth 1 -delete && { mountpoint -q "$home" || rmdir "$home"; } || exit 1
fi
! id "$user" >/dev/null 2>&1 || userdel "$user" || exit 1
for line; do forget "$line"; done
