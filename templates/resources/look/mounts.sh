#!/bin/sh
# mounts PATH...: prints those at which something is mounted: mount PATH.
for path; do
  ! mountpoint -q "$path" || printf 'mount\t%s\n' "$path"
done
