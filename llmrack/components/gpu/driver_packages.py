"""Where NVIDIA's driver comes from on which system, and what its packages are called.

Only what computing needs: no X, no OpenGL. Debian's names are those of its package lists; Ubuntu's
are those that ``ubuntu-drivers list --gpgpu`` prints, without their display parts; NVIDIA's are
those of "compute-only" in its Driver Installation Guide.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from llmrack.components.gpu.states import OLDEST_DRIVER_OLD_CARDS

Source = Literal["distribution", "nvidia"]

# PCI device numbers rise with the generations. The first of compute capability 7.0 (Volta), and
# the first that NVIDIA's open kernel modules drive (Turing); what is older was dropped after 580.
FIRST_COMPUTE_7, FIRST_OPEN, LAST_CLOSED_BRANCH = 0x1D80, 0x1E00, 580
# Ubuntu's long-term branch for servers: old and new cards, modules signed for Secure Boot.
UBUNTU_BRANCH = "580-server"
UBUNTU_FIRST_KERNEL = {"22.04": "5.15", "24.04": "6.8"}

REPOSITORY = "https://developer.download.nvidia.com/compute/cuda/repos"
KEYRING = "/usr/share/keyrings/llmrack-nvidia.asc"
# Who signs it (NVIDIA/cuda-repo-management#34: Debian 13 refuses the older key, made with SHA-1).
_KEY_OLD = "EB693B3035CD5710E231E123A4B469963BF863CC"
_KEY_NEW = "02182E60104FCDC26EAE1B8597A5D4CB8793F200"
_REPOSITORIES = {
    ("debian12", "x86_64"): ("debian12/x86_64", "3bf863cc", _KEY_OLD),
    ("debian13", "x86_64"): ("debian13/x86_64", "8793F200", _KEY_NEW),
    ("ubuntu22.04", "x86_64"): ("ubuntu2204/x86_64", "3bf863cc", _KEY_OLD),
    ("ubuntu22.04", "aarch64"): ("ubuntu2204/sbsa", "3bf863cc", _KEY_OLD),
    ("ubuntu24.04", "x86_64"): ("ubuntu2404/x86_64", "3bf863cc", _KEY_OLD),
    ("ubuntu24.04", "aarch64"): ("ubuntu2404/sbsa", "3bf863cc", _KEY_OLD),
}


class NoRecipeError(Exception):
    """No recipe installs this driver on this host; the text has cause and way out."""


@dataclass(frozen=True)
class Recipe:
    """How a driver is installed.

    + packages: in groups that are installed one after the other
    + sources: content of an apt sources file (deb822); empty if none is needed
    + key_url: where the key for KEYRING comes from, or empty
    + signed: whether a key that every firmware knows signs the modules
    """

    packages: tuple[tuple[str, ...], ...]
    sources: str = ""
    key_url: str = ""
    signed: bool = False


@dataclass(frozen=True)
class Machine:
    """What a recipe depends on.

    + system: ``debian13``, ``ubuntu24.04``
    + arch: as ``uname -m`` prints it
    + kernel: as ``uname -r`` prints it
    + devices: PCI device numbers of its cards
    + headers: whether the headers of this kernel are installed
    """

    system: str
    arch: str
    kernel: str
    devices: Sequence[int]
    headers: bool


def recipe(source: Source, machine: Machine) -> Recipe:
    """The recipe for a host. Raises NoRecipeError if there is none."""
    system, arch, kernel = machine.system, machine.arch, machine.kernel
    oldest = min(machine.devices)
    wanted = () if machine.headers else (f"linux-headers-{kernel}",)
    if source == "nvidia":
        return _nvidia(system, arch, oldest, wanted)
    if system == "debian13":
        return _debian(oldest, wanted)
    if system.startswith("ubuntu") and system.removeprefix("ubuntu") in UBUNTU_FIRST_KERNEL:
        return _ubuntu(system.removeprefix("ubuntu"), kernel, oldest)
    if system == "debian12":
        raise NoRecipeError(
            "Debian 12 has driver 535, which is too old for Ollama: "
            'set `gpu_driver = "nvidia"`, or upgrade to Debian 13'
        )
    raise NoRecipeError(_unknown(system, arch))


def _debian(oldest: int, headers: tuple[str, ...]) -> Recipe:
    if oldest < FIRST_COMPUTE_7:
        raise NoRecipeError(
            f"Debian 13 has driver 550, but Ollama needs {OLDEST_DRIVER_OLD_CARDS} with a card as "
            'old as this: set `gpu_driver = "nvidia"`'
        )
    sources = (
        "# Managed by llmrack.\n"
        "Types: deb\n"
        "URIs: http://deb.debian.org/debian\n"
        "Suites: trixie trixie-updates\n"
        "Components: contrib non-free non-free-firmware\n"
        "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
    )
    tools = ("libcuda1", "nvidia-smi", "nvidia-persistenced", "nvidia-modprobe")
    return Recipe((headers, ("nvidia-kernel-dkms", *tools)), sources)


def _ubuntu(version: str, kernel: str, oldest: int) -> Recipe:
    branch = UBUNTU_BRANCH if oldest < FIRST_OPEN else f"{UBUNTU_BRANCH}-open"
    flavour = kernel.rpartition("-")[2]
    if flavour == "generic" and not kernel.startswith(f"{UBUNTU_FIRST_KERNEL[version]}."):
        flavour = f"generic-hwe-{version}"
    modules = f"linux-modules-nvidia-{branch}"
    packages = (
        # Those of the running kernel, and those that come with each kernel from now on.
        f"{modules}-{kernel}",
        f"{modules}-{flavour}",
        # It brings nvidia-persistenced.
        f"nvidia-headless-no-dkms-{branch}",
        f"nvidia-utils-{UBUNTU_BRANCH}",
    )
    return Recipe((packages,), signed=True)


def _nvidia(system: str, arch: str, oldest: int, headers: tuple[str, ...]) -> Recipe:
    if (system, arch) not in _REPOSITORIES:
        raise NoRecipeError(_unknown(system, arch))
    path, key, fingerprint = _REPOSITORIES[system, arch]
    debian, is_open = system.startswith("debian"), oldest >= FIRST_OPEN
    if debian:
        modules = "nvidia-kernel-open-dkms" if is_open else "nvidia-kernel-dkms"
        packages: tuple[str, ...] = (modules, "nvidia-driver-cuda", "nvidia-persistenced")
    elif is_open:
        packages = ("nvidia-dkms-open", "libnvidia-compute", "nvidia-persistenced")
    else:
        of = LAST_CLOSED_BRANCH
        packages = (
            *(f"nvidia-dkms-{of}", f"libnvidia-compute-{of}"),
            *(f"nvidia-utils-{of}", f"nvidia-compute-utils-{of}"),
        )
    pin = () if is_open else (f"nvidia-driver-pinning-{LAST_CLOSED_BRANCH}",)
    sources = (
        "# Managed by llmrack.\n"
        "Types: deb\n"
        f"URIs: {REPOSITORY}/{path}/\n"
        "Suites: /\n"
        # apt takes a key from the file only if it has this fingerprint (sources.list(5)).
        f"Signed-By: {KEYRING} {fingerprint}\n"
    )
    if debian:
        # What NVIDIA's packages depend on is in contrib.
        suite = "bookworm" if system == "debian12" else "trixie"
        sources += (
            "\nTypes: deb\n"
            "URIs: http://deb.debian.org/debian\n"
            f"Suites: {suite}\n"
            "Components: contrib\n"
            "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
        )
    return Recipe((headers, pin, packages), sources, f"{REPOSITORY}/{path}/{key}.pub")


def _unknown(system: str, arch: str) -> str:
    known = ", ".join(sorted({f"{name} ({of})" for name, of in _REPOSITORIES}))
    name = re.sub(r"(\d)", r" \1", system, count=1)
    return (
        f"no driver is known for {name} ({arch}), only for {known}: install one by hand and set "
        "`gpu_driver = None`"
    )
