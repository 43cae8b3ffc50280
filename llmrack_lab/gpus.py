"""Pretended GPUs of a lab host: which cards in which state, and what the host gets for it."""

from __future__ import annotations

import uuid
from dataclasses import replace
from pathlib import Path

from llmrack_lab.files import HostFiles
from llmrack_lab.pretended_gpu.__main__ import READY_UNIT
from llmrack_lab.pretended_gpu.pretence import FILE, Card, Pretence
from llmrack_lab.shell import LabError

DRIVER = "570.86.15"
STATES = {
    "nvidia": (
        *("fine", "no-driver", "nouveau", "unsigned", "too-old", "old-card", "mismatch"),
        *("not-ready", "lost", "suspended"),
    ),
    # ROCm does not know the old card: Ollama uses it by Vulkan, as all cards of Intel's.
    "amd": ("fine", "no-driver", "old-card"),
    "intel": ("fine", "no-driver", "no-vulkan"),
}
MOST_CARDS = 16

DECLARED = "gpus.json"

DRIVER_PACKAGES = (
    *("nvidia-driver", "nvidia-kernel-dkms", "nvidia-open-kernel-dkms", "nvidia-smi"),
    *("nvidia-persistenced", "firmware-misc-nonfree"),
)
"""Debian's names of what a driver consists of; the headers of the running kernel come on top."""

# The driver that the kernel has loaded, and the one that is installed.
_DRIVERS = {
    "no-driver": ("", ""),
    "nouveau": ("", ""),
    "unsigned": ("", DRIVER),
    "too-old": ("535.183.01", "535.183.01"),
    "old-card": ("565.57.01", "565.57.01"),
    "mismatch": (DRIVER, "570.133.20"),
}
# Name, memory in MiB, compute capability (AMD: LLVM target), PCI device id.
_ADA = ("NVIDIA GeForce RTX 4090", 24564, "8.9", "0x2684")
_PASCAL = ("NVIDIA GeForce GTX 1080 Ti", 11264, "6.1", "0x1b06")
_RADEON = ("AMD Radeon RX 7900 XTX", 24560, "gfx1100", "0x744c")
_VEGA = ("AMD Radeon RX Vega 64", 8176, "gfx900", "0x687f")
_ARC = ("Intel Arc A770 Graphics", 16288, "", "0x56a0")

_UNITS = "etc/systemd/system"
_PROGRAMS = "usr/local/lib/pretended-gpus"
_LAUNCHER = """\
#!/bin/sh
PYTHONPATH=/{programs} exec python3 -S -m pretended_gpu{module} "$@"
"""
# Before everything that could look: sysinit.target is what all other units wait for.
_UNIT = """\
[Unit]
Description=Pretended GPUs of the lab
DefaultDependencies=no
After=local-fs.target
Before=sysinit.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/sbin/pretended-gpus boot
"""
_READY_UNIT = """\
[Unit]
Description=Pretended GPUs of the lab that take a while to be ready
# However often a test sets them.
StartLimitIntervalSec=0

[Service]
ExecStart=/usr/local/sbin/pretended-gpus ready
"""


def pretence(
    host: str,
    count: int,
    state: str = "fine",
    vendor: str = "nvidia",
    *,
    reverse: bool = False,
) -> Pretence:
    """What a host with `count` equal cards in this state pretends.

    The cards of a host keep their UUIDs; `reverse` puts them the other way round on the bus.
    Raises LabError for a state that the vendor's cards do not have.
    """
    if state not in STATES[vendor]:
        raise LabError(f"no {vendor} card is {state!r}; there is: {', '.join(STATES[vendor])}")
    if not 0 <= count <= MOST_CARDS:
        raise LabError(f"a host has 0 to {MOST_CARDS} GPUs, not {count}")
    loaded, installed = _DRIVERS.get(state, (DRIVER, DRIVER))
    if vendor != "nvidia" or not count:
        loaded = installed = ""
    numbers = range(count, 0, -1) if reverse else range(1, count + 1)
    return Pretence(
        vendor=vendor,
        state="fine" if state in ("too-old", "old-card", "mismatch") else state,
        cards=tuple(
            _card(host, number, bus, state, vendor) for bus, number in enumerate(numbers, 1)
        ),
        loaded=loaded,
        installed=installed,
    )


def ready_after(pretence: Pretence, seconds: float) -> Pretence:
    """The same, fine so many seconds after each boot; LabError unless it is `not-ready`."""
    if pretence.state != "not-ready":
        raise LabError(f"seconds are for the state not-ready, not for {pretence.state}")
    return replace(pretence, seconds=seconds)


def _card(host: str, number: int, bus: int, state: str, vendor: str) -> Card:
    identity = uuid.uuid5(uuid.NAMESPACE_DNS, f"{number}.{host}")
    name, memory, compute, device = _PASCAL if state == "old-card" else _ADA
    text = str(identity)
    if vendor == "amd":
        name, memory, compute, device = _VEGA if state == "old-card" else _RADEON
        text = identity.hex[:16]
    elif vendor == "intel":
        name, memory, compute, device = _ARC
    return Card(
        uuid="" if vendor == "intel" else f"GPU-{text}",
        name=name,
        memory_mib=memory,
        compute=compute,
        bus=f"0000:{bus:02x}:00.0",
        device=device,
    )


def declare(folder: Path, pretended: Pretence) -> None:
    """Write down what the host in this folder of the lab pretends, for its next new disk."""
    (folder / DECLARED).write_text(pretended.to_json())


def declared(folder: Path) -> Pretence:
    """What the host in this folder of the lab was told to pretend."""
    return Pretence.from_json((folder / DECLARED).read_text())


def ensure_declared(folder: Path, host: str, count: int) -> None:
    """Declare `count` GPUs that are fine for a host that was never told to pretend any number."""
    if not (folder / DECLARED).exists():
        declare(folder, pretence(host, count))


def told(folder: Path) -> str:
    """What the lab's status says of the cards of the host in this folder; empty for none."""
    cards = declared(folder).cards if (folder / DECLARED).exists() else ()
    return f", GPUs (pretended): {len(cards)}" if cards else ""


def host_files(pretended: Pretence) -> HostFiles:
    """The files that make a new host pretend this from its first boot on."""
    files = {f"{_PROGRAMS}/{path}": (text, mode, 0) for path, (text, mode) in programs().items()}
    for path, module in {
        "usr/local/sbin/pretended-gpus": "",
        "usr/local/sbin/modprobe": ".modules modprobe",
        "usr/local/sbin/rmmod": ".modules rmmod",
    }.items():
        files[path] = (_LAUNCHER.format(programs=_PROGRAMS, module=module), 0o755, 0)
    return {
        **files,
        str(FILE.relative_to("/")): (pretended.to_json(), 0o644, 0),
        f"{_UNITS}/pretended-gpus.service": (_UNIT, 0o644, 0),
        f"{_UNITS}/sysinit.target.d/pretended-gpus.conf": (
            _wants("pretended-gpus.service"),
            0o644,
            0,
        ),
        f"{_UNITS}/{READY_UNIT}": (_READY_UNIT, 0o644, 0),
        f"{_UNITS}/multi-user.target.d/pretended-gpus.conf": (_wants(READY_UNIT), 0o644, 0),
    }


def programs() -> dict[str, tuple[str, int]]:
    """What pretends, in its folder: path → (content, mode)."""
    package = Path(__file__).parent / "pretended_gpu"
    files = {f"pretended_gpu/{one.name}": (one.read_text(), 0o644) for one in package.glob("*.py")}
    launcher = _LAUNCHER.format(programs=_PROGRAMS, module=".nvidia_smi")
    return files | {"nvidia-smi": (launcher, 0o755)}


def _wants(unit: str) -> str:
    return f"[Unit]\nWants={unit}\n"
