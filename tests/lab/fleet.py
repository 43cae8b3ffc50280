"""The fleet that modules begin from: deployed once in each lab, saved, and brought back."""

from __future__ import annotations

import hashlib
from pathlib import Path

import httpx
import yaml

from llmrack_lab.lab import Lab
from llmrack_lab.shell import wait_until
from tests.lab.site import ROOT, STACK, Site

FLEET = {"box1": ("gpu", "gateway"), "box2": ("gpu",)}
STATE = "fleet"
SOURCES = ("llmrack", "llmrack_lab", "templates", "group_data", "deploy.py", "config.py")


def bring_back_fleet(lab: Lab, folder: Path) -> None:
    """Let box1 serve as gateway and engine, box2 as engine, as STACK declares; others are bare.

    This is deployed from `folder` and saved in the lab, if it was not or if SOURCES have changed.
    """
    deployed_from = lab.folder / "fleet.sha256"
    digest = _digest()
    if deployed_from.exists() and deployed_from.read_text() == digest:
        lab.saved.go_back(STATE)
    else:
        deployed_from.unlink(missing_ok=True)
        for host in lab.hosts():
            host.reset()
        site = Site(lab, folder)
        site.declare(FLEET)
        site.deployed()
        lab.saved.save(STATE)
        deployed_from.write_text(digest)
    assert wait_until(lambda: _serves(lab), 120)


def _serves(lab: Lab) -> bool:
    url = f"http://{lab.host('box1').address}:4000/health/liveliness"
    try:
        return httpx.get(url, timeout=5, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def _digest() -> str:
    files = [file for name in SOURCES for file in _files(ROOT / name)]
    content = hashlib.sha256(yaml.safe_dump([FLEET, STACK]).encode())
    for file in files:
        content.update(f"\0{file.relative_to(ROOT)}\0".encode() + file.read_bytes())
    return content.hexdigest()


def _files(path: Path) -> list[Path]:
    found = sorted(path.rglob("*")) if path.is_dir() else [path]
    return [file for file in found if file.is_file() and "__pycache__" not in file.parts]
