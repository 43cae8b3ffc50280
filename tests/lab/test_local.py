"""A box that provisions itself: ``pyinfra @local deploy.py``, from a checkout on that box."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from collections.abc import Callable

import pytest

from llmrack_lab.lab import Lab
from tests.lab.site import ROOT, Run, Site

BOX = "box4"
CHECKOUT = "/root/llmrack"


def checkout() -> bytes:
    """What git would hand over of this working tree, as a tar archive."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name in filter(None, listed.stdout.split("\0")):
            if (ROOT / name).is_file():
                archive.add(ROOT / name, name)
    return buffer.getvalue()


def deploy(site: Site, *options: str) -> Run:
    command = f"cd {CHECKOUT} && .venv/bin/pyinfra @local deploy.py -y {' '.join(options)} 2>&1"
    done = site.lab.host(BOX).ssh(command, check=False)
    return Run(done.returncode, done.stdout)


@pytest.fixture(scope="module")
def site(module_site: Site, lab: Lab, fresh: Callable[[str], None]) -> Site:
    """A bare box with a checkout, its environment, and the lab's settings and keys."""
    fresh(BOX)
    host = lab.host(BOX)
    subprocess.run(
        ["ssh", "-F", lab.ssh_config, BOX, f"mkdir {CHECKOUT} && tar -xz -C {CHECKOUT}"],
        input=checkout(),
        check=True,
    )
    host.ssh(
        "apt-get -q update && apt-get -y -q --no-install-recommends install python3-venv && "
        f"cd {CHECKOUT} && python3 -m venv .venv && .venv/bin/pip install -q "
        "--disable-pip-version-check --require-hashes -r requirements.lock"
    )
    host.ssh(f"umask 077 && cat > {CHECKOUT}/.env", input=(lab.folder / "env").read_text())
    settings = json.loads((lab.folder / "settings.json").read_text())
    own = {name: value for name, value in settings.items() if name.startswith("ollama_")}
    lines = "".join(f"{name} = {value!r}\n" for name, value in own.items())
    host.ssh(f"cat >> {CHECKOUT}/group_data/gpu.py", input=lines)
    return module_site


@pytest.fixture(scope="module")
def first(site: Site) -> Run:
    return deploy(site)


def test_a_box_deploys_and_proves_itself(first: Run) -> None:
    assert first.code == 0, first.output
    assert "checks proven" in first.output
    assert "not proven" not in first.output


def test_it_serves_on_loopback_alone(site: Site, first: Run) -> None:
    assert site.listening(BOX) == {
        "0.0.0.0:22",
        "[::]:22",
        "127.0.0.1:4000",
        "127.0.0.1:11434",
    }


def test_its_second_run_changes_nothing_and_looks_once(site: Site, first: Run) -> None:
    run = deploy(site, "--debug")
    assert run.code == 0, run.output
    assert not run.changed, run.output
    assert run.output.count("Running command on localhost:") == 1, run.output


def test_a_user_who_may_not_become_root_is_told_so_in_a_sentence(site: Site, first: Run) -> None:
    site.on(BOX, f"cp -r {CHECKOUT} /tmp/llmrack && chown -R llm /tmp/llmrack")
    command = (
        "cd /tmp/llmrack && setpriv --reuid=llm --regid=llm --init-groups env HOME=/home/llm "
        ".venv/bin/python -m pyinfra @local deploy.py -y 2>&1"
    )
    done = site.lab.host(BOX).ssh(command, check=False)
    assert done.returncode != 0
    assert "sudo wants a password and there is no terminal to ask for it" in done.stdout
    assert "Traceback" not in done.stdout
