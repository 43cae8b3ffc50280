"""Every command in README and docs runs as it stands there (make's are what CI runs)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmrack_lab.keys import write_private
from llmrack_lab.lab import Lab
from tests.lab.site import ROOT
from tests.lab.sources import mirror_of, registry_of, trusted

PAGES = ["README.md", *sorted(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md"))]
# Their commands build bundles and labs, and restart the gateway for each client's key.
LONG = ("docs/lab.md", "docs/offline.md", "docs/keys.md")


def commands(page: str) -> list[str]:
    """The lines of the page's shell blocks."""
    blocks = re.findall(r"^```sh\n(.*?)^```", (ROOT / page).read_text(), re.M | re.S)
    lines = [
        line.split("  #")[0].split(" # ")[0].strip() for b in blocks for line in b.splitlines()
    ]
    return [line for line in lines if line and not line.startswith("make ")]


def endless(command: str) -> bool:
    return command.startswith("llmrack tail") or "--watch" in command


@pytest.fixture(scope="module")
def project(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The files a clone has, pointed at the hosts of the tests' lab."""
    folder = tmp_path_factory.mktemp("clone")
    files = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in files.stdout.splitlines():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    (folder / ".lab").symlink_to(ROOT / ".lab")
    inventory = (folder / "inventory").read_text().replace(".lab/demo", f".lab/{lab.name}")
    for number in (1, 2):
        inventory = inventory.replace(f"10.77.0.1{number}", lab.host(f"box{number}").address)
    # Bundles are made on this machine, which knows the lab's mirror by its address alone.
    mirror = f'"ssh_user": "root", "ollama_mirror": "{mirror_of(lab)}",'
    (folder / "inventory").write_text(inventory.replace('"ssh_user": "root",', mirror))
    # A user's own, of the time before there was a vault.
    write_private(folder / ".env", (lab.folder / "env").read_text())
    (folder / "home").mkdir()
    yield folder
    for left in lab.folder.glob("secrets.*"):
        left.unlink()


@pytest.mark.parametrize(
    "page", [pytest.param(page, marks=[pytest.mark.soak] * (page in LONG)) for page in PAGES]
)
def test_commands_of_the_page_run(project: Path, lab: Lab, page: str) -> None:
    for command in commands(page):
        if endless(command):
            # Until Ctrl-C, which it takes for a proper end.
            command = f"timeout --preserve-status -s INT 8 {command}"
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=project,
            env={
                **os.environ,
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "HOME": str(project / "home"),
                # What was fetched before is not fetched again.
                "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache")),
                "LLMRACK_LAB": lab.name,
                "PYINFRA_PROGRESS": "off",
                "LLMRACK_REGISTRY": registry_of(lab),
                "SSL_CERT_FILE": trusted(lab, project),
            },
            input="\n",  # the answer to pyinfra's "Press enter to execute"
            capture_output=True,
            text=True,
            timeout=400,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


def test_curl_line_works_as_pasted(project: Path, lab: Lab) -> None:
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(project / "home"),
        "LLMRACK_LAB": lab.name,
    }
    run = {"cwd": project, "env": environment, "capture_output": True, "text": True}
    line = subprocess.run(["llmrack", "curl"], **run, check=True).stdout
    answer = subprocess.run(["bash", "-c", line], **run, timeout=60)
    assert '"content":"' in answer.stdout, answer.stdout + answer.stderr


@pytest.mark.parametrize("page", PAGES)
def test_links_of_the_page_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", (ROOT / page).read_text()):
        assert ((ROOT / page).parent / target).exists(), target
