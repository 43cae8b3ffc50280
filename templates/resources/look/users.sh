#!/bin/sh
# users NAME...: prints the passwd entry, the groups and the linger mark of each.
for user; do
  getent passwd "$user" | while read -r entry; do printf 'user\t%s\n' "$entry"; done
  printf 'groups\t%s\t%s\n' "$user" "$(id -Gn "$user" 2>/dev/null)"
  [ ! -e "/var/lib/systemd/linger/$user" ] || printf 'linger\t%s\n' "$user"
done
