"""A gateway whose release has the old layout, without folders, is upgraded and gone back to.

Hosts: box1 (gpu, gateway) and box2 (gpu), deployed by this project as it was.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from llmrack.stack.settings import ARCHIVES
from tests.lab.bad_release import BASE, HOST, Gateway
from tests.lab.load import lost
from tests.lab.other_version import edit, other_version
from tests.lab.site import ROOT, Run, Site

# Its releases have the programs beside config.yaml: serve.py, routing.py, auth.py, ... Its unit of
# Ollama is another one, too: engines restart, one after the other.
OLD = "f8147c8"
HOSTS: dict[str, tuple[str, ...]] = {HOST: ("gpu", "gateway"), "box2": ("gpu",)}


@pytest.fixture(scope="module")
def old_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This project as it was."""
    folder = tmp_path_factory.mktemp("old")
    command = ["git", "-C", ROOT, "archive", OLD]
    archive = subprocess.run(command, capture_output=True, check=False)
    if archive.returncode:
        pytest.skip(f"this clone has no commit {OLD}: {archive.stderr.decode()}")
    subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
    (folder / ".lab").symlink_to(ROOT / ".lab")
    return folder


@pytest.fixture(scope="module")
def gateway(module_site: Site, fresh: Callable[[str], None], old_project: Path) -> Gateway:
    for name in HOSTS:
        fresh(name)
    made = Gateway(module_site, HOSTS)
    settings = json.loads((module_site.lab.folder / "settings.json").read_text())
    digests = settings["ollama_sha256"]
    # It knows the archives of architectures, and none of ROCm.
    known = {name: digest for name, digest in digests.items() if name in ARCHIVES}
    made.settings = {"ollama_sha256": known}
    made.declare()
    old = replace(module_site, root=old_project)
    run = old.deploy(PYTHONPATH=str(old_project))
    assert run.code == 0, run.output
    made.settings = {}
    made.declare()
    return made


def is_old(gateway: Gateway) -> bool:
    """Whether what serves has the old layout."""
    found = gateway.on(f"cd {BASE}/current/ && ls -d routing.py gateway").split()
    assert found in (["routing.py"], ["gateway"])
    return found == ["routing.py"]


def command(gateway: Gateway, *words: str) -> Run:
    """A command of llmrack that succeeds."""
    run = gateway.site.run("llmrack", *words, "-i", gateway.site.inventory)
    assert run.code == 0, run.output
    return run


def test_an_upgrade_that_fails_leaves_the_old_release_serving(gateway: Gateway) -> None:
    before = gateway.state()
    assert is_old(gateway)
    program = other_version(gateway.site.folder / "broken")
    edit(
        program / "llmrack/shipped/gateway/serve.py",
        '        notify("READY=1")\n',
        "        os._exit(9)\n",
    )
    with gateway.load() as load:
        run = gateway.site.deploy(PYTHONPATH=str(program))
        load.wait_for(10)
    assert run.code == 1, run.output
    assert gateway.state() == before
    # Ollama ends with whatever it is saying.
    assert lost([each for each in load.answers if not each.is_broken_off]) == {}


def test_a_gateway_that_dies_with_the_new_unit_in_place_comes_back(gateway: Gateway) -> None:
    """The unit is written before the swap; until then it has to start the old release."""
    before = gateway.state()
    assert is_old(gateway)
    with gateway.load(max_retries=5) as load:
        gateway.on("systemctl --user kill -s KILL --kill-whom=main 'llmrack-gateway@*'")
        load.wait_for(10)
    assert gateway.state() == before


def test_an_upgrade_under_load_loses_no_request(gateway: Gateway) -> None:
    before = gateway.state()
    assert is_old(gateway)
    with gateway.load() as load:
        gateway.deployed()
        load.wait_for(10)
    assert lost(load.answers) == {}
    assert gateway.state().release != before.release
    assert not is_old(gateway)
    command(gateway, "status")
    gateway.site.settled()


def test_a_rollback_goes_to_the_old_layout_and_loses_no_request(gateway: Gateway) -> None:
    assert not is_old(gateway)
    with gateway.load() as load:
        run = command(gateway, "rollback")
        load.wait_for(10)
    assert lost(load.answers) == {}
    assert is_old(gateway), run.output
    command(gateway, "status")
    verified = gateway.site.run("pyinfra", gateway.site.inventory, "verify.py", "-y")
    assert verified.code == 0, verified.output


def test_the_next_deploy_goes_forward_again(gateway: Gateway) -> None:
    assert is_old(gateway)
    gateway.deployed()
    assert not is_old(gateway)
    gateway.site.settled()
