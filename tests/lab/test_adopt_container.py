"""`llmrack adopt HOST`: an Ollama in a container of Podman's, whose models only root may read."""

from __future__ import annotations

import json
import re
import runpy
from collections.abc import Callable

import pytest
import yaml

from llmrack_lab.shell import wait_until
from tests.lab.site import Run, Site
from tests.lab.sources import archive_url, bytes_sent

BOX, OTHER = "box1", "box2"
MODEL = "llama3.2:1b"
VOLUME = "/var/lib/containers/storage/volumes/ollama/_data/models"
NEW = "/var/lib/ollama-models"
# On a host of the lab there are no keyrings, no bridges, and no cgroups that Podman makes. The
# scope has the name that Podman would give it.
INSTALL = """
set -eu
apt-get -q update >/dev/null
DEBIAN_FRONTEND=noninteractive apt-get -y -q --no-install-recommends install podman >/dev/null
cat >/etc/containers/storage.conf <<'END'
[storage]
driver = "vfs"
runroot = "/run/containers/storage"
graphroot = "/var/lib/containers/storage"
END
printf '[containers]\\nkeyring = false\\n' >/etc/containers/containers.conf
rm -rf /var/lib/containers/storage
mkdir /srv/image
curl -fsS {url} | tar --zstd -xf - -C /srv/image
cd /
tar --transform='s|^srv/image|usr/local|' -cf - srv/image bin lib lib64 usr/bin usr/lib64 \\
    usr/lib/ssl usr/lib/python3* usr/lib/*-linux-gnu etc/ssl etc/passwd etc/group |
  podman import -q - localhost/mirror/ollama:latest
id=$(podman create --name ollama --network=host --cgroups=disabled \\
    -v ollama:/root/.ollama -e HOME=/root -e OLLAMA_HOST=127.0.0.1:11434 \\
    -e OLLAMA_KEEP_ALIVE=24h -e HF_TOKEN=canary-of-hf localhost/mirror/ollama:latest ollama serve)
systemd-run --quiet --scope --unit="libpod-$id" podman start ollama
timeout 30 sh -c 'until podman exec ollama ollama list >/dev/null 2>&1; do sleep 0.2; done'
podman exec ollama ollama pull {model} >/dev/null
"""


@pytest.fixture(scope="module")
def site(module_site: Site, fresh: Callable[[str], None]) -> Site:
    """A host with an Ollama in a container, which has a model in a volume."""
    fresh(BOX)
    url = archive_url(module_site.lab)
    module_site.on(BOX, INSTALL.format(url=url, model=MODEL))
    module_site.only = BOX
    module_site.declare({BOX: ("gpu",), OTHER: ("gateway",)})
    return module_site


@pytest.fixture(scope="module")
def look(site: Site) -> Run:
    before = state(site)
    run = site.run(*("llmrack", "adopt", BOX, "-i", site.inventory, "-o", str(site.folder / "new")))
    assert state(site) == before
    return run


def state(site: Site) -> str:
    """What a look could change of the containers."""
    containers = site.on(BOX, "podman ps -a --format '{{.ID}} {{.Names}}'; podman volume ls")
    pid = site.on(BOX, "podman inspect -f '{{.State.Pid}}' ollama")
    files = site.on(
        BOX,
        "find /var/lib/containers/ -path '*/vfs/*' -prune -o -printf '%p %m %u %s\\n' | sort",
    )
    return "\n".join((containers, pid, files))


def test_a_container_is_seen_with_its_models_and_without_its_secrets(site: Site, look: Run) -> None:
    assert look.code == 0, look.output
    for line in (
        f"{BOX}: podman:ollama: 1 model in {VOLUME}",
        f"{BOX}: podman:ollama.OLLAMA_KEEP_ALIVE: OLLAMA_KEEP_ALIVE '24h' in ollama_environment",
        f"{BOX}: podman:ollama.models: ollama_models '{NEW}', by hard links",
        f"{BOX}: podman:ollama: left out: no setting of Ollama's server: HF_TOKEN",
        f"{BOX}: podman:ollama: replaces 'podman:ollama'",
        f"    cp -al {VOLUME}/. {NEW}/",
    ):
        assert line in look.output, look.output
    assert "canary" not in look.output
    assert "canary" not in (site.folder / "new/inventory").read_text()


@pytest.fixture(scope="module")
def taken_over(site: Site, look: Run) -> Run:
    """The commands that the look has printed, and a deploy of the proposal."""
    commands = re.findall(r"^    (id|mkdir|cp|chown)( .*)$", look.output, re.M)
    assert len(commands) == 4
    site.on(BOX, "set -e\n" + "\n".join(name + rest for name, rest in commands))
    ((_, data),) = runpy.run_path(str(site.folder / "new/inventory"))["gpu"]
    site.own[BOX] = {name: data[name] for name in data if not name.startswith("ssh_")}
    stack = yaml.safe_load((site.folder / "new/stack.yaml").read_text())
    site.declare({BOX: ("gpu",), OTHER: ("gateway",)}, stack)
    sent = bytes_sent(site.lab)
    run = site.deployed()
    assert "left aside" not in run.output
    assert bytes_sent(site.lab) == sent
    return run


def test_a_deploy_serves_its_models_without_a_pull(site: Site, taken_over: Run) -> None:
    listed = site.on(BOX, "curl -fsS http://127.0.0.1:11434/api/tags")
    assert [model["name"] for model in json.loads(listed)["models"]] == [MODEL]
    assert site.on(BOX, "podman ps -q") == ""
    # No file is there twice.
    links = f"find {NEW}/blobs -type f -printf '%n\\n' | sort -u"
    assert site.on(BOX, links) == "2"
    site.settled()


def test_a_removal_brings_the_container_back(site: Site, taken_over: Run) -> None:
    run = site.run("pyinfra", site.inventory, "remove.py", "-y", "--limit", BOX)
    assert run.code == 0, run.output
    assert wait_until(lambda: site.on(BOX, "podman ps --format '{{.Names}}'") == "ollama", 30)
    assert wait_until(
        lambda: MODEL in site.on(BOX, "podman exec ollama ollama list", check=False), 30
    )
