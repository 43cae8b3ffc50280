"""A lab for the tests of the lab itself, in a folder whose name has blanks and a colon."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

from llmrack_lab import processes
from llmrack_lab.base import ensure_base
from llmrack_lab.lab import Lab

REPOSITORY = Path(__file__).parents[2]
ROOT = REPOSITORY / ".lab" / "a root: with blanks"
NAME = "labtest"
SUBNET = "10.79.0.0/24"
UP = f"""
from pathlib import Path
from llmrack_lab.lab import Lab
Lab({NAME!r}, Path({str(ROOT)!r}), {SUBNET!r}).up(1)
"""


def make_lab() -> Lab:
    return Lab(NAME, ROOT, SUBNET)


def prepare() -> None:
    """Put the base in place that all labs of the checkout share; remove what a killed run left."""
    base = ensure_base(REPOSITORY / ".lab", print)
    ROOT.mkdir(parents=True, exist_ok=True)
    link = ROOT / base.name
    if not link.is_symlink():
        link.symlink_to(base)
    make_lab().down()


def run(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def traces() -> dict[str, set[str]]:
    """What of a lab of ours, or of nobody known, can be seen in the kernel."""
    links = {link["ifname"] for link in json.loads(run("ip", "-j", "link"))}
    mounts = {line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()}
    trees = (Path("/sys/fs/cgroup/systemd"), Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup"))
    found = {
        "links": links,
        "namespaces": set(run("ip", "netns", "list").split()),
        "mounts": mounts - {"/run/netns"},
        "tables": set(run("nft", "list", "tables").splitlines()),
        "cgroups": {path.name for tree in trees for path in tree.glob("lr-*")},
        "processes": set(re.findall(rf".*{NAME}.*", run("ps", "-eo", "pid,args"))),
    }
    others = re.compile(r"(lr-|llmrack_)(?!labtest)")
    return {
        kind: {item for item in items if not others.search(item)} for kind, items in found.items()
    }


def marked(lab: Lab, role: str | None = None) -> list[processes.Process]:
    return processes.find(json.loads((lab.folder / "lab.json").read_text())["id"], role)


def pids(lab: Lab) -> set[int]:
    return {process.pid for process in marked(lab)}
