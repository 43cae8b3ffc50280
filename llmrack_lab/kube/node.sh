#!/bin/sh
# node FOLDER PROGRAMS ADDRESS GROUP PODS SERVICES UPPER BASE: a control plane and one node, until it is
# killed. It is the first process of a process namespace, in mount and network namespaces of its own.
# FOLDER: keys and configuration (cluster.py), and what the cluster keeps. GROUP: the cgroup of all
# pods. PODS, SERVICES: networks. UPPER and BASE: what the node's file system is made of.
set -eu
folder=$1 programs=$2 address=$3 group=$4 pods=$5 services=$6 upper=$7 base=$8

# A root of its own: runc insists on one that is a mount.
root=$folder/root
mkdir -p "$root" "$folder/disk" "$folder/work" "$folder/log"
cd "$folder"
ln -sfn "$upper" upper
ln -sfn "$base" base
mount -t overlay overlay -o "lowerdir=upper:base,upperdir=disk,workdir=work" root
mkdir -p root/kube root/programs root/.before
mount --bind "$folder" root/kube
mount --bind "$programs" root/programs
mount --rbind /dev root/dev
mount --rbind /sys root/sys
mount -t proc proc root/proc
mount -t tmpfs tmpfs root/run
mount -t tmpfs tmpfs root/tmp
cd root
pivot_root . .before
umount -l /.before
cd /kube
export PATH=/programs:/usr/sbin:/usr/bin:/sbin:/bin

# Runs a part again whenever it ends, as a service manager would.
keep() {
  name=$1
  shift
  while :; do
    "$@" >>"log/$name" 2>&1 || :
    sleep 1
  done &
}
keep etcd kube etcd --data-dir /kube/etcd
keep api kube kube-apiserver --etcd-servers=http://127.0.0.1:2379 --bind-address=0.0.0.0 \
  --advertise-address="$address" --secure-port=6443 --cert-dir=/kube/pki \
  --tls-cert-file=/kube/pki/api.pem --tls-private-key-file=/kube/pki/api.key \
  --service-account-issuer=https://kubernetes.default.svc \
  --service-account-signing-key-file=/kube/pki/api.key \
  --service-account-key-file=/kube/pki/api.key --token-auth-file=/kube/pki/tokens.csv \
  --authorization-mode=Node,RBAC --service-cluster-ip-range="$services" --allow-privileged=true \
  --kubelet-preferred-address-types=InternalIP
keep controllers kube kube-controller-manager --kubeconfig=/kube/controllers.conf \
  --service-account-private-key-file=/kube/pki/api.key --root-ca-file=/kube/pki/ca.pem \
  --use-service-account-credentials=true --leader-elect=false \
  --enable-hostpath-provisioner=true
# Claims are folders that the controllers make, for root; fsGroup means nothing to them.
mkdir /tmp/hostpath_pv
while sleep 0.2; do chmod -f 777 /tmp/hostpath_pv/* || :; done &
keep scheduler kube kube-scheduler --kubeconfig=/kube/scheduler.conf --leader-elect=false

# cgroup v1 has a tree for each controller, v2 one for all.
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
  mkdir -p "/sys/fs/cgroup/$group"
else
  for tree in /sys/fs/cgroup/*/; do
    [ -e "${tree}cgroup.procs" ] && mkdir -p "$tree$group"
  done
  for file in cpuset.mems cpuset.cpus; do
    cat "/sys/fs/cgroup/cpuset/$file" >"/sys/fs/cgroup/cpuset/$group/$file"
  done
fi
# Pods reach the lab's stand-ins by the node's address.
nft -f - <<END
table ip kube {
  chain out {
    type nat hook postrouting priority srcnat;
    ip saddr $pods ip daddr != $pods masquerade
  }
}
END
echo 1 >/proc/sys/net/ipv4/ip_forward
keep dns coredns -conf /kube/Corefile
keep containerd containerd --config /kube/containerd.toml
keep kubelet kube kubelet --config=/kube/kubelet.yaml --kubeconfig=/kube/node.conf \
  --hostname-override=node1 --node-ip="$address" --root-dir=/kube/kubelet --cert-dir=/kube/pki
keep gpus kube gpus --folder=/kube/cards
keep proxy kube kube-proxy --config=/kube/proxy.yaml
while :; do wait; done
