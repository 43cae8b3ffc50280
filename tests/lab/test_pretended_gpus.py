"""Pretended GPUs on a booted host: what it shows in each state, and what Ollama makes of it.

Host: box4, as it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner

from llmrack_lab import cli
from llmrack_lab.gpus import DRIVER, pretence
from llmrack_lab.host import LabHost
from llmrack_lab.lab import Lab
from llmrack_lab.shell import wait_until
from tests import DEADLINE
from tests.lab.site import ROOT

BOX = "box4"
PCI = "/sys/bus/pci/devices"
SECURE_BOOT = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
MODULE = "/lib/modules/$(uname -r)/updates/dkms/nvidia.ko"
UUIDS = [card.uuid for card in pretence(BOX, 3).cards]


@pytest.fixture(scope="module")
def host(lab: Lab) -> LabHost:
    """A bare host: what is deployed waits for cards that come late."""
    lab.host(BOX).reset()
    return lab.host(BOX)


def test_cards_are_on_the_bus_with_their_driver(host: LabHost) -> None:
    host.set_gpus(2)
    shown = host.ssh(
        f"cd {PCI}; for d in *; do echo $d $(cat $d/vendor $d/class) "
        "$(basename $(readlink $d/driver)); done"
    )
    assert shown.stdout.splitlines() == [
        "0000:01:00.0 0x10de 0x030000 nvidia",
        "0000:01:00.1 0x10de 0x040300 snd_hda_intel",
        "0000:02:00.0 0x10de 0x030000 nvidia",
        "0000:02:00.1 0x10de 0x040300 snd_hda_intel",
    ]


def test_cards_that_are_fine_can_be_listed_and_opened(host: LabHost) -> None:
    host.set_gpus(2)
    assert uuids(host) == UUIDS[:2]
    assert f"Module for x86_64  {DRIVER}  " in host.ssh("cat /proc/driver/nvidia/version").stdout
    devices = "/dev/nvidiactl /dev/nvidia0 /dev/nvidia1 /dev/nvidia-uvm"
    host.ssh(f"for d in {devices}; do : <> $d || exit; done", user="admin")


# For each state: the card's driver, nvidia-smi's exit code, and which of these files are there.
VERSION, UVM = "/proc/driver/nvidia/version", "/dev/nvidia-uvm"
SHOWN: dict[str, tuple[str, int, set[str]]] = {
    "fine": ("nvidia", 0, {VERSION, UVM, MODULE}),
    "no-driver": ("", 127, set()),
    "nouveau": ("nouveau", 127, set()),
    "unsigned": ("", 9, {MODULE}),
    "too-old": ("nvidia", 0, {VERSION, UVM, MODULE}),
    "old-card": ("nvidia", 0, {VERSION, UVM, MODULE}),
    "mismatch": ("nvidia", 18, {VERSION, UVM, MODULE}),
    "not-ready": ("nvidia", 6, {VERSION, MODULE}),
    "lost": ("nvidia", 0, {VERSION, UVM, MODULE}),
    "suspended": ("nvidia", 0, {VERSION, UVM, MODULE}),
}


@pytest.mark.parametrize("state", SHOWN)
def test_state_shows_in_the_places_that_tell_of_it(host: LabHost, state: str) -> None:
    driver, code, files = SHOWN[state]
    host.set_gpus(2, state)
    link = host.ssh(f"basename -a $(readlink {PCI}/0000:01:00.0/driver)", check=False)
    assert link.stdout.strip() == driver
    assert host.ssh("nvidia-smi -L", check=False).returncode == code
    for file in (VERSION, UVM, MODULE):
        assert (host.ssh(f"test -e {file}", check=False).returncode == 0) == (file in files)
    assert host.ssh(f"od -An -tu1 {SECURE_BOOT}").stdout.split()[4] == str(int(state == "unsigned"))


def test_lost_card_is_on_the_bus_alone(host: LabHost) -> None:
    host.set_gpus(3, "lost")
    assert uuids(host) == UUIDS[:2]
    assert len(host.ssh(f"grep -l 0x030000 {PCI}/*/class").stdout.split()) == 3


def test_cards_the_other_way_round_keep_their_uuids(host: LabHost) -> None:
    host.set_gpus(2, reverse=True)
    assert uuids(host) == UUIDS[1::-1]


def test_no_cards_leave_nothing(host: LabHost) -> None:
    host.set_gpus(2)
    host.set_gpus(0)
    assert host.ssh(f"ls {PCI}; ls /dev/nvidia*", check=False).stdout == ""
    assert host.ssh("nvidia-smi", check=False).returncode == 127


def test_amd_cards_have_device_files_of_their_groups(host: LabHost) -> None:
    host.set_gpus(2, vendor="amd")
    files = host.ssh("stat -c '%n %G' /dev/kfd /dev/dri/render*").stdout.splitlines()
    assert files == [
        "/dev/kfd render",
        "/dev/dri/renderD128 render",
        "/dev/dri/renderD129 render",
    ]
    lines = host.ssh("cat /sys/class/kfd/kfd/topology/nodes/2/properties").stdout.splitlines()
    unique = dict(line.split() for line in lines)["unique_id"]
    assert f"GPU-{int(unique):016x}" == pretence(BOX, 2, vendor="amd").cards[1].uuid
    assert host.ssh("ls /sys/class/net/lo").returncode == 0


@pytest.mark.parametrize("state", ["lost", "no-driver"])
def test_what_no_boot_cures_is_still_there_after_one(host: LabHost, state: str) -> None:
    host.set_gpus(2, state)
    before = seen(host)
    host.reboot()
    assert seen(host) == before


@pytest.mark.parametrize("state", ["mismatch", "suspended"])
def test_boot_cures_what_a_boot_cures(host: LabHost, state: str) -> None:
    host.set_gpus(1, state)
    host.reboot()
    assert uuids(host) == UUIDS[:1]
    host.ssh(": <> /dev/nvidia-uvm")


def test_card_is_ready_the_given_time_after_a_boot(host: LabHost) -> None:
    host.set_gpus(1, "not-ready", seconds=3)
    host.reboot()
    assert host.ssh("nvidia-smi -L", check=False).returncode == 6
    assert wait_until(lambda: uuids(host) == UUIDS[:1], DEADLINE)


def test_power_cut_changes_nothing(host: LabHost) -> None:
    host.set_gpus(2)
    before = seen(host)
    host.power_cut()
    assert seen(host) == before


def test_reloaded_module_ends_what_a_suspend_broke(host: LabHost) -> None:
    host.set_gpus(1, "suspended")
    host.ssh("rm -f /var/log/pretended-modules.log")
    opens = ": <> /dev/nvidia-uvm"
    assert host.ssh(f"{opens}; modprobe nvidia_uvm; {opens}", check=False).returncode
    host.ssh(f"/sbin/rmmod nvidia_uvm; /sbin/modprobe nvidia-uvm; {opens}")
    calls = host.ssh("cat /var/log/pretended-modules.log").stdout.splitlines()
    assert calls == ["modprobe nvidia_uvm", "rmmod nvidia_uvm", "modprobe nvidia-uvm"]


def test_installed_driver_is_loaded_at_the_next_boot(host: LabHost) -> None:
    host.set_gpus(2, "nouveau")
    host.offer_gpu_driver("580.65.06")
    names = "nvidia-driver nvidia-kernel-dkms nvidia-persistenced linux-headers-$(uname -r)"
    host.ssh(f"DEBIAN_FRONTEND=noninteractive apt-get install -qq -y {names}")
    assert host.ssh("nvidia-smi", check=False).returncode == 9
    assert host.ssh("modprobe nvidia", check=False).stderr.endswith("No such device\n")
    host.reboot()
    query = "nvidia-smi --query-gpu=driver_version --format=csv,noheader"
    assert host.ssh(query).stdout.split() == ["580.65.06"] * 2
    host.ssh("systemctl start nvidia-persistenced")
    host.ssh("apt-get purge -qq -y nvidia-*; rm /etc/apt/*/pretended-driver*")


def test_status_says_that_the_cards_are_pretended(lab: Lab, host: LabHost) -> None:
    host.set_gpus(2)
    (line,) = (line for line in lab.status() if line.name == BOX)
    assert line.what == "Debian 12 host, GPUs (pretended): 2"


def test_command_line_sets_and_refuses(
    lab: Lab, host: LabHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "ROOT", ROOT / ".lab")
    words = ["--lab", lab.name, "gpus", BOX, "1", "--state"]
    done = CliRunner().invoke(cli.lab, [*words, "too-old"])
    assert (done.exit_code, done.output) == (0, f"{BOX}: 1 nvidia, too-old\n")
    assert "535.183.01" in host.ssh("cat /proc/driver/nvidia/version").stdout
    done = CliRunner().invoke(cli.lab, [*words, "tired"])
    assert done.exit_code == 1
    assert "no nvidia card is 'tired'; there is: fine, " in done.output


class Engine:
    """The stand-in of Ollama on the host, started anew with an environment."""

    def __init__(self, host: LabHost) -> None:
        self._host = host
        self.mirror = ""

    def add_rocm(self) -> None:
        """Unpack ROCm's libraries over the release, until its next test."""
        self._host.ssh(
            f"cd /srv/probe && curl -sf {self.mirror}/ollama-linux-amd64-rocm.tar.zst"
            " | tar --zstd -x"
        )

    def remove_rocm(self) -> None:
        """Remove them."""
        self._host.ssh("rm -rf /srv/probe/lib/ollama/rocm_*")

    def start(self, **environment: str) -> None:
        words = " ".join(f"--setenv={name}={value}" for name, value in environment.items())
        self._host.ssh(
            "systemctl stop probe 2>/dev/null; systemd-run -q --unit=probe --setenv=HOME=/srv/probe"
            f" {words} /srv/probe/bin/ollama serve"
        )
        assert wait_until(lambda: self._curl("/api/version") is not None, DEADLINE)

    def place(self, **options: int) -> float:
        """The share of a model that lies on GPUs after it was loaded."""
        body = json.dumps({"model": "llama3.2", "options": options})
        assert self._curl("/api/generate", f"-d '{body}'") is not None
        (model,) = (self._curl("/api/ps") or {})["models"]
        return float(model["size_vram"] / model["size"])

    def journal(self) -> str:
        """What it has written since it was started last."""
        last = "_SYSTEMD_INVOCATION_ID=$(systemctl show -P InvocationID probe)"
        return self._host.ssh(f"journalctl -q -o cat {last}").stdout

    def _curl(self, path: str, options: str = "") -> dict[str, Any] | None:
        done = self._host.ssh(f"curl -sf {options} http://127.0.0.1:11434{path}", check=False)
        return None if done.returncode else json.loads(done.stdout.splitlines()[0])


@pytest.fixture(scope="module")
def engine(lab: Lab, host: LabHost) -> Iterator[Engine]:
    settings = json.loads((lab.folder / "settings.json").read_text())
    if not settings["standins"]["ollama"]:
        pytest.skip("the lab has a real Ollama, which is not deceived by pretended GPUs")
    archive = f"v{settings['ollama_version']}/ollama-linux-amd64.tar.zst"
    host.ssh(
        f"mkdir -p /srv/probe && cd /srv/probe && curl -sf {settings['ollama_mirror']}/{archive}"
        " | tar --zstd -x"
    )
    made = Engine(host)
    made.start()
    host.ssh("/srv/probe/bin/ollama pull llama3.2")
    made.mirror = f"{settings['ollama_mirror']}/v{settings['ollama_version']}"
    yield made
    host.ssh("systemctl stop probe; rm -r /srv/probe", check=False)


def test_engine_uses_the_cards_that_it_is_given(host: LabHost, engine: Engine) -> None:
    host.set_gpus(2, reverse=True)
    engine.start(CUDA_VISIBLE_DEVICES=UUIDS[0])
    assert engine.place() == 1
    assert f"id={UUIDS[0]} " in engine.journal()
    assert UUIDS[1] not in engine.journal()


def test_engine_splits_a_model_when_it_is_told_to(host: LabHost, engine: Engine) -> None:
    host.set_gpus(1)
    engine.start()
    assert engine.place(num_gpu=1) == pytest.approx(1 / 3, abs=0.01)


@pytest.mark.parametrize("state", ["no-driver", "mismatch", "not-ready", "too-old", "suspended"])
def test_engine_falls_back_to_the_processor(host: LabHost, engine: Engine, state: str) -> None:
    host.set_gpus(1, state)
    engine.start()
    assert engine.place() == 0
    assert "id=cpu library=cpu" in engine.journal()
    assert ("NVIDIA driver too old" in engine.journal()) == (state == "too-old")


def test_engine_loses_the_card_by_a_suspend_until_the_module_is_reloaded(
    host: LabHost, engine: Engine
) -> None:
    host.set_gpus(1)
    engine.start()
    assert engine.place() == 1
    host.set_gpus(1, "suspended")
    assert engine.place() == 0
    host.ssh("rmmod nvidia_uvm; modprobe nvidia_uvm")
    assert engine.place() == 1


def test_engine_uses_amd_cards_with_the_libraries_of_rocm_alone(
    host: LabHost, engine: Engine
) -> None:
    host.set_gpus(1, vendor="amd")
    engine.start()
    assert engine.place() == 0
    assert "id=cpu library=cpu" in engine.journal()
    engine.add_rocm()
    engine.start()
    assert engine.place() == 1
    assert "library=ROCm compute=gfx1100" in engine.journal()
    engine.remove_rocm()


@pytest.mark.parametrize(("vendor", "state"), [("amd", "old-card"), ("intel", "fine")])
def test_engine_uses_other_cards_by_vulkan(
    host: LabHost, engine: Engine, vendor: str, state: str
) -> None:
    host.set_gpus(2, state, vendor)
    engine.start()
    assert engine.place() == 1
    assert engine.journal().count("library=Vulkan") == 2
    engine.start(GGML_VK_VISIBLE_DEVICES="1")
    assert engine.journal().count("library=Vulkan") == 1
    engine.start(GGML_VK_VISIBLE_DEVICES="-1")
    assert engine.place() == 0


def test_engine_has_no_vulkan_without_its_loader(host: LabHost, engine: Engine) -> None:
    host.set_gpus(1, "no-vulkan", "intel")
    engine.start()
    assert engine.place() == 0


def test_other_cards_show_what_tells_them_apart(host: LabHost) -> None:
    host.set_gpus(1, "fine", "intel")
    shown = host.ssh(
        f"cd {PCI}/0000:01:00.0; cat vendor; basename $(readlink driver); ls drm; ls /dev/dri"
        " /usr/share/vulkan/icd.d; ls /dev/kfd", check=False
    )  # fmt: skip
    assert shown.stdout.split()[:3] == ["0x8086", "i915", "renderD128"]
    assert "intel_icd.x86_64.json" in shown.stdout and "/dev/kfd" not in shown.stdout
    host.set_gpus(1)
    assert host.ssh("ls /usr/share/vulkan/icd.d", check=False).stdout == ""


def uuids(host: LabHost) -> list[str]:
    return host.ssh("nvidia-smi --query-gpu=uuid --format=csv,noheader", check=False).stdout.split()


def seen(host: LabHost) -> str:
    """Everything that tells of cards."""
    files = f"{PCI}/*/* /proc/driver/nvidia/version {SECURE_BOOT}"
    return host.ssh(f"md5sum {files}; nvidia-smi -L; ls /dev/nvidia*", check=False).stdout
