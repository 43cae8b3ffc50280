#!/bin/sh
# controllers USER...: prints the cgroup controllers that the user's manager has, or, as long as there is
# none, those that it will get: of a unified hierarchy all that the kernel has (Delegate= in
# user@.service). In the old hierarchies it gets none.
tree=/sys/fs/cgroup
for user; do
  group=$tree
  if uid=$(id -u "$user" 2>/dev/null) && [ -d "$tree/user.slice/user-$uid.slice/user@$uid.service" ]; then
    group=$tree/user.slice/user-$uid.slice/user@$uid.service
  fi
  printf 'fact\tcontrollers\t%s\n' "$(cat "$group/cgroup.controllers" 2>/dev/null)"
done
