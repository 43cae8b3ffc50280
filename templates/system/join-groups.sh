#!/bin/sh
# join-groups USER NAME...: adds the user to groups, as far as the host has them.
user=$1
shift
for group; do
  ! getent group "$group" >/dev/null || usermod -aG "$group" "$user"
done
:
