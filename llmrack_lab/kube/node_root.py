"""The node's file system: the hosts' base, with Debian's containerd, runc and CNI plugins."""

from __future__ import annotations

import hashlib
from pathlib import Path

from llmrack_lab.base import ensure_base
from llmrack_lab.kube.overlay import Overlay
from llmrack_lab.owned import locked
from llmrack_lab.shell import Progress, remove_folder

SCRIPT = """
cp -u /var/cache/lab/apt/*.deb /var/cache/apt/archives/ 2>/dev/null || true
export DEBIAN_FRONTEND=noninteractive
apt-get -q update
apt-get -q install -y --no-install-recommends containerd runc containernetworking-plugins nftables
apt-get clean
rm -rf /var/lib/apt/lists/*
"""


def ensure_root(root: Path, progress: Progress) -> tuple[Path, Path]:
    """The folders that the node's file system is made of, the upper one first.

    The upper one is built once; that takes about half a minute.
    """
    base = ensure_base(root, progress)
    digest = hashlib.sha256(f"{base.name}\0{SCRIPT}".encode()).hexdigest()[:12]
    made = root / f"kube-root-{digest}"
    if not made.is_dir():
        with locked(root / "kube-root.lock", progress):
            if not made.is_dir():
                part = root / "kube-root.part"
                remove_folder(part)
                progress("building the node's system (once; half a minute)")
                cache = root / "cache" / "apt"
                cache.mkdir(parents=True, exist_ok=True)
                upper = Overlay([base], {"/var/cache/lab/apt": cache}).run(part, SCRIPT)
                for old in root.glob("kube-root-*"):
                    remove_folder(old)
                upper.rename(made)
                remove_folder(part)
    return made, base
