"""`llmrack adopt HOST`: an Ollama of the official installer is looked at and taken over."""

from __future__ import annotations

import runpy
from collections.abc import Callable, Iterator

import pytest
import yaml

from llmrack_lab.shell import wait_until
from tests.lab.site import Run, Site
from tests.lab.sources import archive_url, bytes_sent

BOX = "box1"
MODELS = ("llama3.2:1b", "nomic-embed-text")
HOME = "/usr/share/ollama"
# As https://ollama.com/install.sh makes it.
INSTALL = """
set -eu
curl -fsS {url} | tar --zstd -xf - -C /usr/local
useradd -r -s /bin/false -U -m -d /usr/share/ollama ollama
mkdir -p /etc/systemd/system/ollama.service.d
cat >/etc/systemd/system/ollama.service <<'END'
[Unit]
Description=Ollama Service
After=network-online.target

[Service]
ExecStart=/usr/local/bin/ollama serve
User=ollama
Group=ollama
Restart=always
RestartSec=3
Environment="PATH=/usr/local/bin:/usr/bin:/bin"

[Install]
WantedBy=default.target
END
cat >/etc/systemd/system/ollama.service.d/override.conf <<'END'
[Service]
Environment="OLLAMA_KEEP_ALIVE=24h" "OLLAMA_CONTEXT_LENGTH=16384"
Environment="OPENAI_API_KEY=sk-canary-of-openai"
EnvironmentFile=/etc/ollama.env
END
echo OLLAMA_NUM_PARALLEL=2 >/etc/ollama.env
systemctl daemon-reload
systemctl enable -q --now ollama
timeout 30 sh -c 'until ollama list >/dev/null 2>&1; do sleep 0.2; done'
"""
# Somebody who keeps a connection to it.
CLIENT = """
systemd-run --unit=chat --quiet python3 -c 'import socket, time
connection = socket.create_connection(("127.0.0.1", 11434))
connection.sendall(b"GET /api/version HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n")
time.sleep(600)'
"""


@pytest.fixture(scope="module")
def site(module_site: Site, fresh: Callable[[str], None]) -> Iterator[Site]:
    """A host with an Ollama of somebody else's, which has models and a client."""
    fresh(BOX)
    url = archive_url(module_site.lab)
    module_site.on(BOX, INSTALL.format(url=url))
    for model in MODELS:
        module_site.on(BOX, f"HOME=/root ollama pull {model}")
    module_site.on(BOX, CLIENT)
    module_site.declare({BOX: ("gpu", "gateway")})
    yield module_site


@pytest.fixture(scope="module")
def models(site: Site) -> str:
    """All files of the models, with their times."""
    return model_files(site)


def model_files(site: Site) -> str:
    return site.on(BOX, f"find {HOME}/.ollama/models -type f -printf '%p %i %T@\\n' | sort")


def everything(site: Site) -> str:
    """What a look could change on the host."""
    units = site.on(BOX, "systemctl list-units --all --no-legend --plain | awk '{print $1, $4}'")
    kept = [line for line in units.splitlines() if line.split()[0].endswith(".service")]
    listed = site.on(
        BOX,
        f"find {HOME} /root /var/lib /run/systemd/system -xdev "
        "-not -path '/var/lib/systemd/*' -printf '%p %y %m %u %s %T@\\n' | sort",
    )
    return "\n".join([site.listing(BOX), listed, *sorted(kept)])


@pytest.fixture(scope="module")
def look(site: Site, models: str) -> Run:
    before = everything(site)
    run = site.run(*("llmrack", "adopt", BOX, "-i", site.inventory, "-o", str(site.folder / "new")))
    assert everything(site) == before
    return run


def test_a_look_changes_nothing_and_says_what_runs(site: Site, look: Run) -> None:
    assert look.code == 0, look.output
    pid = site.on(BOX, "systemctl show -P MainPID chat")
    for line in (
        f"{BOX}: ollama.service: 2 models in {HOME}/.ollama/models",
        f"{BOX}: ollama.service: used by python3 (process {pid}, chat.service, user root)",
        f"{BOX}: ollama.service.user: service_user 'ollama', service_home '{HOME}'",
        f"{BOX}: ollama.service.OLLAMA_KEEP_ALIVE: OLLAMA_KEEP_ALIVE '24h' in ollama_environment",
        f"{BOX}: ollama.service.OLLAMA_NUM_PARALLEL: OLLAMA_NUM_PARALLEL 2 in ollama_environment",
        f"{BOX}: ollama.service: left out: no setting of Ollama's server: OPENAI_API_KEY",
        "new: 2 names of 1 provider, no mistakes",
    ):
        assert line in look.output, look.output


def test_no_value_of_a_secret_is_printed_or_written(site: Site, look: Run) -> None:
    written = "".join(path.read_text() for path in (site.folder / "new").iterdir())
    assert "canary" not in look.output + written


@pytest.fixture(scope="module")
def taken_over(site: Site, look: Run, models: str) -> Run:
    """A deploy of the proposal."""
    ((_, data),) = runpy.run_path(str(site.folder / "new/inventory"))["gpu"]
    site.own[BOX] = {name: data[name] for name in data if not name.startswith("ssh_")}
    stack = yaml.safe_load((site.folder / "new/stack.yaml").read_text())
    site.declare({BOX: ("gpu", "gateway")}, stack)
    sent = bytes_sent(site.lab)
    run = site.deployed()
    assert bytes_sent(site.lab) == sent
    return run


def test_a_deploy_serves_the_models_without_a_pull(
    site: Site, taken_over: Run, models: str
) -> None:
    assert model_files(site) == models
    assert site.chat(BOX, "llama3.2:1b").status_code == 200
    holder = site.on(BOX, "ss -Hltnp sport = :11434; ps -o user= -C ollama,python3 | sort -u")
    assert "ollama" in holder
    assert site.on(BOX, "systemctl is-active ollama", check=False) == "inactive"
    site.settled()


def test_a_further_look_finds_llmracks_own_services_alone(site: Site, taken_over: Run) -> None:
    run = site.run("llmrack", "adopt", BOX, "-i", site.inventory)
    assert run.code == 0, run.output
    assert "has deployed it; `llmrack status` shows its services" in " ".join(run.output.split())
    assert "ollama.service" not in run.output


def test_a_removal_brings_the_old_one_back_with_its_models(
    site: Site, taken_over: Run, models: str
) -> None:
    run = site.run("pyinfra", site.inventory, "remove.py", "-y")
    assert run.code == 0, run.output
    assert wait_until(
        lambda: site.on(BOX, "systemctl is-active ollama", check=False) == "active", 30
    )
    assert wait_until(lambda: "llama3.2:1b" in site.on(BOX, "ollama list", check=False), 30)
    assert model_files(site) == models
    again = site.run("llmrack", "adopt", BOX, "-i", site.inventory)
    assert f"{BOX}: ollama.service: 2 models in" in again.output
