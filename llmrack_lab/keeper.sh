#!/bin/sh
# Boot a host by systemd-nspawn over its disk, again and again until it is switched off.
#
#   keeper.sh HOST_FOLDER BASE LOWER CACHE CGROUPS NETWORK_NAMESPACE [NSPAWN_OPTION]...
#
# LOWER is what its disk lies on: names in HOST_FOLDER/layers, where BASE is linked as "base".
# CGROUPS are folders with colons between them.
#
# It runs as the first process of a process namespace, in a mount namespace of its own: whichever
# process is killed, all of the host ends, and its mounts with it. nspawn ends with exit code 133
# when the host reboots (systemd-nspawn(1)). Each host gets a cgroup of its own, else all of them
# would share one tree and stop each other's units.
set -u
folder=$1 base=$2 lower=$3 cache=$4 groups=$5 network=$6; shift 6
mkdir -p /run/systemd/nspawn && mount -t tmpfs tmpfs /run/systemd/nspawn || exit
# Relative names: a path may hold what the mount options use as separators.
cd "$folder/layers" && ln -sfn "$base" base || exit
mount -t overlay overlay -o "lowerdir=$lower,upperdir=../upper,workdir=../work" ../root || exit
cd ..
nice rm -rf removed &
if [ -e files.tar ]; then tar -xpf files.tar -C root && rm files.tar || exit; fi
cp -u "$cache"/apt/*.deb root/var/cache/apt/archives/ 2>/dev/null
while :; do
    # The network outlives the host, its firewall must not.
    nsenter --net="$network" nft flush ruleset || exit
    (
        IFS=:
        for group in $groups; do echo 0 > "$group/cgroup.procs"; done
        exec systemd-nspawn "$@"
    )
    code=$?
    [ $code = 133 ] || exit $code
done
