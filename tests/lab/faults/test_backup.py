"""A backup: what a clone lacks is exported, all is wiped and imported, and the plan is the same.

Hosts: those of the scenario of many instances, box1 (gateway), box2 and box3 (gpu).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from llmrack_lab.lab import Lab
from tests.lab.faults.table import record
from tests.lab.site import ROOT, Run, Site

SCENARIO = ROOT / "tests" / "scenarios" / "many_instances"
STACK: dict[str, Any] = yaml.safe_load((SCENARIO / "stack.yaml").read_text())
HOSTS: dict[str, Any] = yaml.safe_load((SCENARIO / "hosts.yaml").read_text())
# A client's key, and a model that is made of a local file, are in files of their own.
MORE = {"keys": {"alice": {"models": ["llama3.2"]}}}


@pytest.fixture(scope="module")
def site(module_site: Site, lab: Lab, fresh: Callable[[str], None]) -> Site:
    for host in HOSTS["hosts"]:
        fresh(host)
    shutil.copy(lab.folder / "office-ca.pem", module_site.folder)
    module_site.declare(HOSTS["hosts"], STACK | MORE, **HOSTS["data"])
    return module_site


def clone(folder: Path) -> Path:
    """What a clone has, in part, pointed at the tests' lab."""
    folder.mkdir()
    for name in ("deploy.py", "config.py"):
        shutil.copy(ROOT / name, folder / name)
    for name in ("group_data", "templates"):
        shutil.copytree(ROOT / name, folder / name)
    (folder / ".lab").symlink_to(ROOT / ".lab")
    return folder


def ran(folder: Path, site: Site, *arguments: str) -> Run:
    """A command of the virtual environment, from another folder."""
    program, *rest = arguments
    done = subprocess.run(
        [Path(sys.executable).parent / program, *rest],
        cwd=folder,
        env={**os.environ, "LLMRACK_LAB": site.lab.name, "PYINFRA_PROGRESS": "off"},
        capture_output=True,
        text=True,
    )
    run = Run(done.returncode, done.stdout + done.stderr)
    assert run.code == 0, run.output
    return run


def test_after_a_wipe_and_an_import_the_plan_is_the_same(site: Site, tmp_path: Path) -> None:
    backup = tmp_path / "backup.tar.gz"
    project = clone(tmp_path / "project")
    shutil.copy(site.inventory, project / "inventory")
    ran(project, site, "llmrack", "keys", "issue", "alice")
    ran(project, site, "pyinfra", "inventory", "deploy.py", "-y")
    before = ran(project, site, "llmrack", "plan", "--files").output
    ran(project, site, "llmrack", "export", str(backup))
    shutil.rmtree(project)
    shutil.rmtree(site.folder)
    begun = time.monotonic()
    clone(project)
    ran(project, site, "llmrack", "import", str(backup))
    assert ran(project, site, "llmrack", "plan", "--files").output == before
    run = ran(project, site, "pyinfra", "inventory", "deploy.py", "-y")
    assert not run.changed, run.output
    record(
        "backup: export, wipe of clone and declarations, import",
        "the plan is the same, a deploy changes nothing",
        f"{len(before.splitlines())} lines of plan and files, identical; nothing changed",
        time.monotonic() - begun,
    )
