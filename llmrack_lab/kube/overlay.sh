#!/bin/sh
# overlay LAYER SCRIPT [LOWER]... [PLACE=FOLDER]...: runs SCRIPT in the folders LOWER, which are seen
# through each other, the topmost first; what it changes goes to LAYER/upper. FOLDER is seen at PLACE.
# It runs in mount and process namespaces of its own.
set -eu
layer=$1 script=$2
shift 2
mount -t tmpfs tmpfs /mnt
mkdir /mnt/layer /mnt/lower /mnt/root
mount --bind "$layer" /mnt/layer
mkdir -p /mnt/layer/upper /mnt/layer/work
# Paths may have what mount options use as separators, hence the bind mounts.
number=0 lower=
for one in "$@"; do
  case $one in *=*) continue ;; esac
  number=$((number + 1))
  mkdir "/mnt/lower/$number"
  mount --bind "$one" "/mnt/lower/$number"
  lower=${lower:+$lower:}lower/$number
done
cd /mnt
mount -t overlay overlay -o "lowerdir=$lower,upperdir=layer/upper,workdir=layer/work" root
mount -t tmpfs tmpfs root/tmp
mount --rbind /dev root/dev
mount -t proc proc root/proc
for one in "$@"; do
  case $one in
    *=*)
      mkdir -p "root${one%%=*}"
      mount --bind "${one#*=}" "root${one%%=*}"
      ;;
  esac
done
chroot root sh -euc "$script"
