#!/bin/sh
# controllers USER...: prints the cgroup controllers that are delegated to the user's manager.
for user; do
  uid=$(id -u "$user" 2>/dev/null) || continue
  slice=/sys/fs/cgroup/user.slice/user-$uid.slice/user@$uid.service
  printf 'fact\tcontrollers\t%s\n' "$(cat "$slice/cgroup.controllers" 2>/dev/null)"
done
