"""llmrack takes the place of a container of Podman's, and gives it back.

box2 has a container at Ollama's port; the gateway on box3 is declared and left alone. A lab's host
gives containers no groups of their own, no bridge and no layers.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from llmrack_lab.shell import wait_until
from tests.lab.site import Site

BOX = "box2"
ENTRY = "podman:ollama"
STORAGE = """[storage]
driver = "vfs"
runroot = "/run/containers/storage"
graphroot = "/var/lib/containers/storage"
"""
CONTAINERS = """[containers]
keyring = false
seccomp_profile = "unconfined"
cgroups = "disabled"
"""
INSTALL = """
set -e
export DEBIAN_FRONTEND=noninteractive
apt-get -q update
apt-get -y -q --no-install-recommends install podman crun busybox-static
mkdir -p /tmp/image/bin /srv/old/models/manifests
cp /bin/busybox /tmp/image/bin/
tar -C /tmp/image -c . | podman import - old:latest
podman run -d --name ollama --network host --restart always -v /srv/old:/root/.ollama old:latest \\
  /bin/busybox httpd -f -p 11434 -h /
"""


@pytest.fixture(scope="module")
def site(module_site: Site, fresh: Callable[[str], None]) -> Site:
    fresh(BOX)
    host = module_site.lab.host(BOX)
    module_site.on(BOX, "mkdir -p /etc/containers")
    host.ssh("cat >/etc/containers/storage.conf", input=STORAGE)
    host.ssh("cat >/etc/containers/containers.conf", input=CONTAINERS)
    module_site.on(BOX, INSTALL)
    assert wait_until(lambda: _runs(module_site), 30)
    module_site.only = BOX
    stack = {
        "providers": {"local": {"kind": "ollama", "group": "gpu"}},
        "models": {"llama3.2:1b": {"provider": "local"}},
    }
    module_site.declare({BOX: ("gpu",), "box3": ("gateway",)}, stack, replaces=[ENTRY])
    return module_site


def _runs(site: Site) -> bool:
    state = "podman inspect -f '{{.State.Running}} {{.HostConfig.RestartPolicy.Name}}' ollama"
    return site.on(BOX, state, check=False) == "true always"


def _engine(site: Site) -> str:
    return site.as_service(BOX, "systemctl --user is-active llmrack-ollama@main", check=False)


def _noted(site: Site) -> bool:
    return f"replaced {ENTRY}" in site.on(BOX, "cat /var/lib/llmrack/made")


def test_one_that_podman_would_start_again_after_a_boot_stays(site: Site) -> None:
    assert site.on(BOX, "systemctl is-enabled podman-restart.service") == "enabled"
    run = site.deploy()
    assert run.code == 1, run.output
    text = " ".join(run.output.split())
    assert f"{ENTRY} has 0.0 GB of models in /srv/old/models, which are left aside" in text
    assert "podman cannot take the restart policy always from ollama" in text
    assert _runs(site) and not _noted(site)
    assert _engine(site) != "active"


def test_a_container_makes_room_also_after_a_reboot(site: Site) -> None:
    site.on(BOX, "systemctl -q disable podman-restart.service")
    site.deployed()
    assert (_runs(site), _engine(site), _noted(site)) == (False, "active", True)
    site.settled()
    site.lab.host(BOX).reboot()
    assert wait_until(lambda: _engine(site) == "active", 60)
    assert not _runs(site)
    site.settled()


def test_a_removal_brings_the_container_back(site: Site) -> None:
    run = site.run("pyinfra", site.inventory, "remove.py", "-y", "--limit", BOX)
    assert run.code == 0, run.output
    assert _runs(site)
    assert "busybox" in site.on(BOX, "ss -Hltnp sport = :11434")
