"""Another program has taken an instance's port, as the official installer's Ollama does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from llmrack_lab.shell import wait_until
from tests.lab.fleet import FLEET
from tests.lab.site import Run, Site

BOX = "box1"
UNIT = "llmrack-ollama@main.service"
FOREIGN = """[Service]
User=nobody
WorkingDirectory=/srv
ExecStart=/usr/bin/python3 -m http.server --bind 127.0.0.1 11434
"""
HOLDER = "python3 (process {pid}, ollama.service, user nobody)"


@pytest.fixture(scope="module")
def site(fleet_deployed: None, module_site: Site) -> Iterator[Site]:
    """A deployed host on which a foreign unit has taken the port of Ollama."""
    module_site.declare(FLEET)
    module_site.only = BOX
    module_site.as_service(BOX, f"systemctl --user stop {UNIT}")
    module_site.lab.host(BOX).ssh("cat >/etc/systemd/system/ollama.service", input=FOREIGN)
    module_site.on(BOX, "systemctl daemon-reload; systemctl start ollama")
    module_site.as_service(BOX, f"systemctl --user start --no-block {UNIT}")
    assert wait_until(lambda: _restarts(module_site) > 0, 60)
    yield module_site
    module_site.on(BOX, "systemctl stop ollama; rm /etc/systemd/system/ollama.service")


def _restarts(site: Site) -> int:
    return int(site.as_service(BOX, f"systemctl --user show -P NRestarts {UNIT}") or 0)


def _holder(site: Site) -> str:
    return HOLDER.format(pid=site.on(BOX, "systemctl show -P MainPID ollama"))


def _llmrack(site: Site, *words: str) -> tuple[Run, str]:
    """What a command prints, and the same without its line feeds."""
    run = site.run("llmrack", *words, "--inventory", site.inventory)
    return run, " ".join(run.output.split())


def test_status_names_who_has_taken_the_port(site: Site) -> None:
    run, text = _llmrack(site, "status")
    assert run.code == 1
    assert f"port 11434 is taken by {_holder(site)}: stop that (a deploy does if `replaces`" in text
    assert "or set ollama_port to another port" in text


def test_logs_show_the_unit_that_cannot_start(site: Site) -> None:
    run, text = _llmrack(site, "logs")
    assert run.code == 0
    assert "nothing went wrong" not in text
    assert f"{BOX} {UNIT}: " in text
    assert ", restarted " in text
    assert "already in use" in text


def test_a_refusal_names_who_has_taken_the_port_and_a_dry_run_fails(site: Site) -> None:
    run = site.run("pyinfra", site.inventory, "deploy.py", "--dry")
    assert run.code == 1
    assert f"port 11434, which is for Ollama main, is taken: {_holder(site)}" in run.output


def test_once_it_has_gone_a_deploy_is_proven_and_settles(site: Site) -> None:
    site.on(BOX, "systemctl stop ollama")
    site.deployed()
    site.settled()
    # It counts as one that may fail again for a few seconds.
    assert wait_until(lambda: "units that cannot start" not in _llmrack(site, "logs")[1], 30)
