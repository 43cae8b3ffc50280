"""What the parts of a cluster read: certificates, tokens, and a file each."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from pathlib import Path

import trustme

from llmrack_lab.keys import write_private

PODS, SERVICES, FIRST_SERVICE = "10.244.0.0/24", "10.245.0.0/16", "10.245.0.1"
PAUSE = "localhost/llmrack-pause:1"
# Who logs in: the user, and the groups it is in.
USERS = {
    "admin": ("admin", "system:masters"),
    "controllers": ("system:kube-controller-manager", ""),
    "scheduler": ("system:kube-scheduler", ""),
    "proxy": ("system:kube-proxy", ""),
    "node": ("system:node:node1", "system:nodes"),
}


def write_configuration(folder: Path, address: str, group: str, names: Mapping[str, str]) -> None:
    """Write everything that a new cluster needs, 0600.

    + address: of the node
    + group: the cgroup of all pods
    + names: addresses of the lab's stand-ins, by the names that pods ask for
    """
    pki = folder / "pki"
    authority = trustme.CA(organization_name="llmrack lab cluster")
    server = authority.issue_cert(
        address, FIRST_SERVICE, "127.0.0.1", "kubernetes.default.svc", "kubernetes"
    )
    write_private(pki / "ca.pem", authority.cert_pem.bytes())
    write_private(pki / "api.key", server.private_key_pem.bytes())
    write_private(pki / "api.pem", b"".join(pem.bytes() for pem in server.cert_chain_pems))
    tokens = {name: secrets.token_hex(16) for name in USERS}
    lines = (f'{tokens[name]},{user},{name},"{groups}"\n' for name, (user, groups) in USERS.items())
    write_private(pki / "tokens.csv", "".join(lines))
    for name, token in tokens.items():
        text = _kubeconfig(address, authority.cert_pem.bytes(), token)
        write_private(folder / f"{name}.conf", text)
    for file, text in _files(address, group, names).items():
        write_private(folder / file, text)


def _kubeconfig(address: str, authority: bytes, token: str) -> str:
    from base64 import b64encode

    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "lab",
            "clusters": [
                {
                    "name": "lab",
                    "cluster": {
                        "server": f"https://{address}:6443",
                        "certificate-authority-data": b64encode(authority).decode(),
                    },
                }
            ],
            "users": [{"name": "lab", "user": {"token": token}}],
            "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "lab"}}],
        },
        indent=1,
    )


def _files(address: str, group: str, names: Mapping[str, str]) -> dict[str, str]:
    hosts = "\n".join(f"    {where} {name}" for name, where in names.items())
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "ranges": [[{"subnet": PODS}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    kubelet = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "failCgroupV1": False,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{group}",
        "enforceNodeAllocatable": [],
        "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
        "authorization": {"mode": "AlwaysAllow"},
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "failSwapOn": False,
        "localStorageCapacityIsolation": False,
        "evictionHard": {
            "memory.available": "1Mi",
            "nodefs.available": "1Mi",
            "imagefs.available": "1Mi",
        },
        "imageGCHighThresholdPercent": 100,
        "makeIPTablesUtilChains": False,
        "clusterDNS": [address],
        "clusterDomain": "cluster.local",
        "syncFrequency": "5s",
        "nodeStatusUpdateFrequency": "5s",
    }
    proxy = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clientConnection": {"kubeconfig": "/kube/proxy.conf"},
        "clusterCIDR": PODS,
        "hostnameOverride": "node1",
        "conntrack": {"maxPerCore": 0, "min": 0},
        "nftables": {"minSyncPeriod": "100ms"},
    }
    return {
        "cni/10-lab.conflist": json.dumps(
            {"cniVersion": "0.4.0", "name": "lab", "plugins": [bridge]}
        ),
        "kubelet.yaml": json.dumps(kubelet, indent=1),
        "proxy.yaml": json.dumps(proxy, indent=1),
        "containerd.toml": _CONTAINERD,
        "Corefile": _COREFILE.replace("HOSTS", hosts),
    }


# Debian 12's containerd 1.6. Where a process may not lower its score, each pod would fail
# (restrict_oom_score_adj).
_CONTAINERD = f"""version = 2
root = "/kube/containerd"
state = "/run/containerd"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "/kube/cni"
"""
_COREFILE = """.:53 {
  errors
  ready
  hosts {
HOSTS
    fallthrough
  }
  kubernetes cluster.local {
    kubeconfig /kube/admin.conf
  }
  cache 5
}
"""
