"""llmrack takes the place of an Ollama and of a LiteLLM that somebody had, and gives it back.

box1 has Ollama as the official installer leaves it, with a model, and another program at the
gateway's port.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest

from llmrack_lab.shell import wait_until
from tests.lab.site import Run, Site
from tests.lab.sources import archive_url

BOX = "box1"
UNIT, LITELLM = "ollama.service", "litellm.service"
REPLACES = [UNIT, LITELLM, "docker:ollama"]
OLD_HOME = "/usr/share/ollama"
MODELS = f"{OLD_HOME}/.ollama/models"
DROP_IN = "/etc/systemd/system/{}.d/llmrack-replaces.conf"
# What the official install.sh does on a host with systemd, also when it is run again.
INSTALLER = """
set -e
id ollama >/dev/null 2>&1 || useradd -r -s /bin/false -U -m -d /usr/share/ollama ollama
usermod -a -G render ollama
usermod -a -G video ollama
cat >/etc/systemd/system/ollama.service <<EOF
[Unit]
Description=Ollama Service
After=network-online.target

[Service]
ExecStart=/usr/local/bin/ollama serve
User=ollama
Group=ollama
Restart=always
RestartSec=3
Environment="PATH=$PATH"

[Install]
WantedBy=default.target
EOF
systemctl daemon-reload
systemctl enable ollama
systemctl restart ollama
"""
OTHER = """[Service]
User=nobody
WorkingDirectory=/srv
ExecStart=/usr/bin/python3 -m http.server --bind 0.0.0.0 4000
Restart=always

[Install]
WantedBy=multi-user.target
"""
ENGINE = "llmrack-ollama@main.service"
# Asks ten times a second whether anybody answers at Ollama's port.
ASKER = (
    "while sleep 0.1; do curl -s -m 1 -o /dev/null 127.0.0.1:11434/api/version && echo served || "
    "echo unserved; done >/tmp/asked"
)


@pytest.fixture(scope="module")
def site(module_site: Site, fresh: Callable[[str], None]) -> Site:
    """A host with the old services, and a declaration that replaces them."""
    fresh(BOX)
    module_site.on(
        BOX,
        "groupadd -f render; groupadd -f video; cd /usr/local && "
        f"curl -fsS {archive_url(module_site.lab)} | zstd -dc | tar -x",
    )
    module_site.on(BOX, INSTALLER)
    module_site.lab.host(BOX).ssh(f"cat >/etc/systemd/system/{LITELLM}", input=OTHER)
    module_site.on(BOX, f"systemctl daemon-reload; systemctl -q enable --now {LITELLM}")
    ask = "curl -fsS 127.0.0.1:11434/api"
    assert wait_until(lambda: bool(module_site.on(BOX, f"{ask}/version", check=False)), 30)
    module_site.on(BOX, f'{ask}/pull -d \'{{"model": "llama3.2:1b"}}\'')
    assert _listed(module_site) == {"llama3.2:1b"}
    _declare(module_site)
    return module_site


def _declare(site: Site, replaces: list[str] = REPLACES, **data: object) -> None:
    used = {"service_user": "ollama", "service_home": OLD_HOME} | data
    site.declare({BOX: ("gpu", "gateway")}, replaces=replaces, **used)


def _listed(site: Site) -> set[str]:
    """The models of whoever serves at Ollama's port; empty if nobody does."""
    command = 'curl -fsS -m 5 127.0.0.1:11434/api/tags | grep -o \'"name": *"[^"]*"\''
    return {line.split('"')[3] for line in site.on(BOX, command, check=False).splitlines()}


def _state(site: Site, unit: str) -> str:
    """A unit of the system, as in ``enabled active``."""
    words = f"systemctl is-enabled {unit}; systemctl is-active {unit}"
    return " ".join(site.on(BOX, words, check=False).split())


def _as_ollama(site: Site, command: str) -> str:
    return site.on(
        BOX,
        "i=$(id -u ollama); setpriv --reuid=$i --regid=$i --init-groups env -i "
        f"HOME={OLD_HOME} PATH=$PATH XDG_RUNTIME_DIR=/run/user/$i sh -c {shlex.quote(command)}",
        check=False,
    )


def _engine(site: Site) -> str:
    return _as_ollama(site, f"systemctl --user is-active {ENGINE}")


def _noted(site: Site) -> list[str]:
    made = site.on(BOX, "cat /var/lib/llmrack/made", check=False)
    return [line for line in made.splitlines() if line.startswith("replaced")]


def _sent(site: Site) -> int:
    """Bytes of blobs that the registry has sent."""
    url = f"{site.lab.control('registry')}/bytes"
    number: int = httpx.get(url, verify=False).json()["bytes_sent"]
    return number


def _text(run: Run) -> str:
    return " ".join(run.output.split())


@contextmanager
def _breaking(site: Site) -> Iterator[None]:
    """llmrack's Ollama does not start."""
    folder = f"{OLD_HOME}/.config/systemd/user/llmrack-ollama@.service.d"
    site.on(BOX, f"setpriv --reuid=ollama --regid=ollama --clear-groups mkdir -p {folder}")
    broken = "[Service]\nExecStartPre=/bin/sh -c 'echo it lacks something; sleep 1; exit 1'\n"
    site.lab.host(BOX).ssh(f"cat >{folder}/broken.conf", input=broken)
    try:
        yield
    finally:
        site.on(BOX, f"rm -r {folder}")


def test_the_plan_says_what_is_stopped_and_what_is_left_aside(site: Site) -> None:
    _declare(site, service_user="llm", service_home="/home/llm")
    run = site.run("pyinfra", site.inventory, "deploy.py", "--dry")
    _declare(site)
    assert run.code == 0, run.output
    text = _text(run)
    assert f"{UNIT} has 0.0 GB of models in {MODELS}, which are left aside" in text
    assert f'set service_user = "ollama", service_home = "{OLD_HOME}"' in text
    assert "replaces names docker:ollama, which is not on this host: nothing to do" in text
    assert f"would change Replacement by Ollama: {UNIT} runs, and is stopped" in text
    assert f"would change Replacement by the gateway: {LITELLM} runs, and is stopped" in text
    assert (_state(site, UNIT), _state(site, LITELLM)) == ("enabled active",) * 2


def test_where_the_new_one_does_not_start_the_old_one_is_back(site: Site) -> None:
    with _breaking(site):
        run = site.deploy()
    assert run.code == 1, run.output
    assert f"{ENGINE} does not start" in run.output
    # The user ollama may not read its journal.
    assert "it lacks something" in run.output
    assert f"{UNIT} runs again" in run.output
    assert _state(site, UNIT) == "enabled active"
    assert _engine(site) in ("inactive", "failed")
    assert (_listed(site), _noted(site)) == ({"llama3.2:1b"}, [])
    # A rule for llmrack's clients would shut out those of the old one.
    assert "llmrack" not in site.on(BOX, "nft list tables")
    assert not site.on(BOX, f"ls {DROP_IN.format(UNIT)}", check=False)


def test_a_deploy_takes_the_place_without_a_pull_in_seconds(site: Site) -> None:
    sent = _sent(site)
    site.on(BOX, f"systemd-run -q --unit=asker sh -c {shlex.quote(ASKER)}")
    site.deployed()
    site.on(BOX, "systemctl stop asker")
    asked = site.on(BOX, "cat /tmp/asked").split()
    assert asked.count("unserved") < 100 < asked.count("served"), asked
    assert _sent(site) == sent
    assert (_listed(site), _engine(site)) == ({"llama3.2:1b"}, "active")
    assert (_state(site, UNIT), _state(site, LITELLM)) == ("enabled inactive",) * 2
    assert _noted(site) == [f"replaced {UNIT} running", f"replaced {LITELLM} running"]
    assert site.chat(BOX, "llama3.2:1b").status_code == 200
    site.settled()


def test_neither_a_start_nor_the_installer_nor_a_reload_brings_it_back(site: Site) -> None:
    site.on(BOX, f"systemctl start {UNIT} {LITELLM}; systemctl daemon-reload")
    site.on(BOX, INSTALLER)
    assert (_state(site, UNIT), _state(site, LITELLM)) == ("enabled inactive",) * 2
    assert DROP_IN.format(UNIT) in site.on(BOX, f"systemctl status {UNIT}", check=False)
    assert _engine(site) == "active"
    site.settled()


def test_a_reboot_keeps_it_so(site: Site) -> None:
    site.lab.host(BOX).reboot()
    assert wait_until(lambda: _listed(site) == {"llama3.2:1b"}, 60)
    assert (_state(site, UNIT), _state(site, LITELLM)) == ("enabled inactive",) * 2
    assert _engine(site) == "active"
    assert wait_until(lambda: site.chat(BOX, "llama3.2:1b").status_code == 200, 60)
    site.settled()


def test_one_that_somebody_starts_again_is_named_and_stopped(site: Site) -> None:
    _as_ollama(site, f"systemctl --user stop {ENGINE}")
    site.on(BOX, f"rm {DROP_IN.format(UNIT)}; systemctl daemon-reload; systemctl start {UNIT}")
    run = site.run("llmrack", "status", "--inventory", site.inventory)
    assert run.code == 1
    assert f"{UNIT} runs again, though llmrack serves in that place" in _text(run)
    site.deployed()
    assert (_state(site, UNIT), _engine(site)) == ("enabled inactive", "active")
    assert _noted(site) == [f"replaced {UNIT} running", f"replaced {LITELLM} running"]
    site.settled()


def test_one_that_is_no_longer_declared_finds_its_port_taken_and_stays(site: Site) -> None:
    _declare(site, [UNIT])
    run = site.deploy()
    _declare(site)
    assert run.code == 1, run.output
    assert f"{LITELLM} stays stopped: if llmrack has its port" in _text(run)
    assert _state(site, LITELLM) in ("enabled inactive", "enabled failed")
    site.settled()


def test_a_removal_brings_both_back_as_they_were(site: Site) -> None:
    run = site.run("pyinfra", site.inventory, "remove.py", "-y")
    assert run.code == 0, run.output
    assert (_state(site, UNIT), _state(site, LITELLM)) == ("enabled active",) * 2
    assert wait_until(lambda: _listed(site) == {"llama3.2:1b"}, 30)
    left = f"ls -d /var/lib/llmrack /etc/systemd/system/{UNIT}.d /etc/systemd/system/{LITELLM}.d"
    assert not site.on(BOX, left, check=False)
    site.lab.host(BOX).reboot()
    assert wait_until(lambda: _listed(site) == {"llama3.2:1b"}, 60)
