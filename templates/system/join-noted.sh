#!/bin/sh
# join-noted USER NAME...: adds a user that was there to groups that the host has, and notes that.
. resources/notes.sh
user=$1
shift
for group; do
  note "group $group $user" && usermod -aG "$group" "$user"
done
:
