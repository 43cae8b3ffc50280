"""A driver is installed and in use after a reboot, one host at a time; cards come back at boot and
after a suspend. Hosts: box3 (with the gateway), box4.

NVIDIA's repository cannot be had here: its key is put there beforehand, its packages are pretended.
"""

from __future__ import annotations

import re

import pytest

from llmrack.components.gpu.driver_packages import KEYRING
from llmrack.components.gpu.gpu import WAIT
from llmrack.components.render import render
from llmrack_lab.gpus import pretence
from tests.lab.site import Site

BOXES = {"box3": ("gpu", "gateway"), "box4": ("gpu",)}
PACKAGES = ("nvidia-kernel-open-dkms", "nvidia-driver-cuda", "nvidia-persistenced")
CALLS = "/var/log/pretended-modules.log"


def without_driver(site: Site, host: str, state: str = "nouveau") -> None:
    """A fresh host with a card that nothing of NVIDIA's drives, and packages that would."""
    there = site.lab.host(host)
    there.reset()
    there.set_gpus(1, state)
    there.offer_gpu_driver(packages=PACKAGES)
    site.on(host, f"echo stand-in > {KEYRING}")


def boot_id(site: Site, host: str) -> str:
    return site.on(host, "cat /proc/sys/kernel/random/boot_id")


def declare(site: Site, gpu_driver: str | None = "nvidia", gpu_reboot: bool = True) -> None:
    site.declare(BOXES, gpu_driver=gpu_driver, gpu_reboot=gpu_reboot, ollama_bind="0.0.0.0")


@pytest.fixture(scope="module")
def deployed(module_site: Site) -> Site:
    """Both hosts, from a card without a driver to a proven service in one run."""
    for host in BOXES:
        without_driver(module_site, host)
    before = {host: boot_id(module_site, host) for host in BOXES}
    declare(module_site)
    run = module_site.deployed()
    events = re.findall(r"\[(box\d)\] (restarting|is back)", run.output)
    first = events[0][0]
    second = next(host for host in BOXES if host != first)
    # One host of the fleet at a time.
    assert events == [
        (first, "restarting"),
        (first, "is back"),
        (second, "restarting"),
        (second, "is back"),
    ], run.output
    assert all(boot_id(module_site, host) != before[host] for host in BOXES)
    return module_site


def test_driver_is_in_use_after_the_run(deployed: Site) -> None:
    run = deployed.run("llmrack", "status", "--gpus", "-i", deployed.inventory)
    assert run.code == 0, run.output
    assert run.output.count("570.86.15") == 2


def test_second_run_changes_nothing(deployed: Site) -> None:
    deployed.settled()


def test_modules_are_loaded_at_boot(deployed: Site) -> None:
    modules = deployed.on("box4", "cat /etc/modules-load.d/llmrack-nvidia.conf")
    assert modules.splitlines()[1:] == ["nvidia", "nvidia-uvm"]
    assert deployed.on("box4", "systemctl is-enabled nvidia-persistenced") == "enabled"


def test_device_files_are_there_after_a_boot(deployed: Site) -> None:
    deployed.lab.host("box4").reboot()
    assert deployed.on("box4", "systemctl is-active llmrack-gpu.service") == "active"
    assert "modprobe nvidia-uvm" in deployed.on("box4", f"tail -n 2 {CALLS}")
    deployed.settled()


def test_cards_are_reloaded_after_a_suspend(deployed: Site) -> None:
    host = deployed.lab.host("box4")
    host.set_gpus(1, "suspended")
    started = "systemctl --user show -P ActiveEnterTimestampMonotonic 'llmrack-ollama@*'"
    before = deployed.as_service("box4", started)
    assert before
    # A container cannot sleep: all of it but that.
    drop_in = "/run/systemd/system/systemd-suspend.service.d/lab.conf"
    deployed.on(
        "box4",
        f"mkdir -p {drop_in.rpartition('/')[0]} && "
        f"printf '[Service]\\nExecStart=\\nExecStart=/bin/true\\n' > {drop_in} && "
        f": > {CALLS} && systemctl daemon-reload && systemctl start suspend.target && "
        "systemctl start llmrack-gpu-resume.service",
    )
    calls = deployed.on("box4", f"cat {CALLS}").splitlines()
    assert calls[:2] == ["rmmod nvidia_uvm", "modprobe nvidia_uvm"]
    assert deployed.as_service("box4", started) != before
    assert deployed.as_service("box4", "systemctl --user is-active 'llmrack-ollama@*'") == "active"
    assert deployed.on("box4", "cat /dev/nvidia-uvm >/dev/null && echo opens") == "opens"


def test_resume_unit_belongs_to_every_kind_of_sleep(deployed: Site) -> None:
    wants = deployed.on("box4", "ls /etc/systemd/system/*.target.wants/llmrack-gpu-resume.service")
    assert {line.split("/")[4].partition(".")[0] for line in wants.splitlines()} == {
        "suspend",
        "hibernate",
        "hybrid-sleep",
        "suspend-then-hibernate",
    }


def test_wait_ends_once_the_card_is_there(deployed: Site) -> None:
    (card,) = pretence("box4", 1).cards
    host = deployed.lab.host("box4")
    host.set_gpus(1, "not-ready", seconds=2)
    assert deployed.as_service("box4", f"{WAIT} {card.uuid} && echo ready") == "ready"
    host.set_gpus(1)


@pytest.mark.parametrize(
    ("state", "uuid", "reason"),
    [
        ("fine", "GPU-nobody", "nvidia-smi does not list GPU-nobody"),
        ("not-ready", "", "/dev/nvidia-uvm is missing"),
    ],
)
def test_wait_is_bounded_and_says_what_is_missing(
    deployed: Site, state: str, uuid: str, reason: str
) -> None:
    host = deployed.lab.host("box4")
    host.set_gpus(1, state)
    script = render("gpu/wait-for-gpu.j2", deadline=1, rocm=False)
    done = host.ssh(f"sh -s {uuid}", input=script, check=False)
    assert (done.returncode, done.stderr) == (1, f"no GPU within 1 s: {reason}\n")
    host.set_gpus(1)


def test_restart_alone_mends_a_mismatch(deployed: Site) -> None:
    deployed.lab.host("box4").set_gpus(1, "mismatch")
    before = boot_id(deployed, "box4")
    declare(deployed, gpu_driver=None)
    deployed.deployed()
    assert boot_id(deployed, "box4") != before
    deployed.settled()


def test_driver_that_the_distribution_lacks_is_refused(deployed: Site) -> None:
    deployed.lab.host("box4").set_gpus(1, "no-driver")
    declare(deployed, gpu_driver="distribution")
    run = deployed.deploy()
    assert "[box4] refused, nothing was changed: " in run.output
    assert "Debian 12 has driver 535, which is too old" in run.output


def test_key_that_cannot_be_fetched_is_named(deployed: Site) -> None:
    without_driver(deployed, "box4")
    deployed.on("box4", f"rm {KEYRING}")
    declare(deployed)
    run = deployed.deploy()
    assert run.code == 1
    assert "the key of NVIDIA's packages cannot be fetched" in run.output
    assert f"or put that file at {KEYRING}" in run.output


def test_reboot_is_left_to_the_admin_unless_asked_for(deployed: Site) -> None:
    without_driver(deployed, "box4")
    before = boot_id(deployed, "box4")
    declare(deployed, gpu_reboot=False)
    run = deployed.deploy()
    assert run.code == 1
    assert "GPU driver failed: reboot required: the driver is installed" in run.output, run.output
    assert boot_id(deployed, "box4") == before
    again = deployed.deploy()
    assert "refused, nothing was changed: its driver was installed after the last" in again.output
    deployed.lab.host("box4").reboot()
    deployed.deployed()
