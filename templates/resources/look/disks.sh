#!/bin/sh
# disks PATH...: prints the filesystem that each path is on, or will be: disk PATH MOUNT BYTES STATE.
for path; do
  there=$path
  while [ ! -e "$there" ]; do
    there=${there%/*}
    there=${there:-/}
  done
  df -PB1 "$there" | {
    read -r _
    read -r _ _ _ free _ mount
    state=
    # Of mounts over one another the last one counts. Whether root may write would not tell: it may
    # not on a filesystem of another machine that others can write to.
    while read -r _ at _ options _; do
      [ "$at" = "$mount" ] || continue
      case ,$options, in *,ro,*) state=read-only ;; *) state= ;; esac
    done </proc/self/mounts
    printf 'disk\t%s\t%s\t%s\t%s\n' "$path" "$mount" "$free" "$state"
  }
done
