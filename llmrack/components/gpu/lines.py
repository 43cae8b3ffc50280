"""The output of the GPU part of the look: lines by kind, and the cards."""

from __future__ import annotations

import re
from dataclasses import dataclass

from llmrack.resources.look import Part

# Columns of ``nvidia-smi --query-gpu``, in the order in which they are read.
COLUMNS = (
    "index",
    "uuid",
    "name",
    "driver_version",
    "compute_cap",
    "memory.total",
    "memory.used",
    "pci.bus_id",
    "persistence_mode",
    "mig.mode.current",
)
# Seconds. Without persistence mode nvidia-smi wakes each card first, which takes seconds a card.
SMI_DEADLINE = 10
# What the look asks a host about its GPUs; the lines are read when they are needed (``Answers``).
LOOK = Part("gpu", "gpu/look.sh", list, (",".join(COLUMNS), SMI_DEADLINE))
# What Ollama uses a card by, as its log calls it.
CUDA, ROCM, VULKAN = "CUDA", "ROCm", "Vulkan"
# Drivers that keep a card for a virtual machine; llmrack does not use such a card.
GIVEN_AWAY = ("vfio-pci", "pciback")


@dataclass(frozen=True)
class Card:
    """A GPU.

    + uuid: ``GPU-…`` as CUDA_VISIBLE_DEVICES (ROCR_VISIBLE_DEVICES) takes it; empty for an AMD
      card without one (only GFX9 and later have it)
    + index: the driver's number, which a reboot may change
    + memory_mib, used_mib: 0 if the driver does not say (memory shared with the CPU)
    + compute: CUDA compute capability, (0, 0) for AMD
    + bus: PCI address as in sysfs, ``0000:01:00.0``
    + mig: UUIDs of the slices (``MIG-…``) of a card that is divided, None for one that is not
    + persistence: whether the driver stays awake without a client
    + library: what Ollama uses it by (CUDA, ROCM, VULKAN), or empty if Ollama leaves it alone
    """

    uuid: str
    index: int
    name: str
    memory_mib: int
    used_mib: int
    compute: tuple[int, int]
    bus: str
    driver: str
    mig: tuple[str, ...] | None
    persistence: bool
    library: str = CUDA


@dataclass(frozen=True)
class Device:
    """A card as the PCI bus shows it.

    + device: its PCI device number, ``0x2684``
    + driver: the kernel driver that holds it (nvidia, nouveau, amdgpu, i915, xe), or empty
    + memory, used, product: bytes and a name as amdgpu reports them; empty otherwise
    """

    bus: str
    vendor: str
    device: str
    driver: str
    memory: str
    used: str
    product: str


class Answers:
    """The lines of ``LOOK`` (fields after the tag), by their kind."""

    def __init__(self, lines: list[list[str]]) -> None:
        self._lines = lines
        devices = [Device(*fields) for fields in self.all("pci")]
        devices = [device for device in devices if device.driver not in GIVEN_AWAY]
        self.nvidia = [device for device in devices if device.vendor == "0x10de"]
        self.amd = [device for device in devices if device.vendor == "0x1002"]
        self.intel = [device for device in devices if device.vendor == "0x8086"]

    def all(self, kind: str) -> list[list[str]]:
        """The fields of every line of this kind."""
        return [fields for tag, *fields in self._lines if tag == kind]

    def first(self, kind: str) -> str:
        """The first field of the line of this kind, empty when there is none."""
        return next((fields[0] for fields in self.all(kind)), "").strip()

    @property
    def smi_output(self) -> list[str]:
        """What nvidia-smi printed, by lines."""
        return [text for (text,) in self.all("said")]

    @property
    def module(self) -> str:
        """The version of NVIDIA's module in the kernel, empty when none is loaded."""
        version = re.search(r"\s(\d+\.[\d.]+)\s", self.first("module"))
        return version[1] if version else ""


def nvidia_cards(answers: Answers) -> tuple[Card, ...]:
    """The cards that nvidia-smi lists, by bus address; none when it failed."""
    if answers.first("smi") != "0":
        return ()
    slices = _slices(answers)
    rows = [[value.strip() for value in text.split(",")] for text in answers.smi_output]
    cards = [
        _card(dict(zip(COLUMNS, r, strict=True)), slices) for r in rows if len(r) == len(COLUMNS)
    ]
    return tuple(sorted(cards, key=lambda card: card.bus))


def _card(values: dict[str, str], slices: dict[str, tuple[str, ...]]) -> Card:
    major, _, minor = values["compute_cap"].partition(".")
    domain, _, rest = values["pci.bus_id"].lower().partition(":")
    return Card(
        uuid=values["uuid"],
        index=number(values["index"]),
        name=values["name"],
        memory_mib=number(values["memory.total"]),
        used_mib=number(values["memory.used"]),
        compute=(number(major), number(minor)),
        # nvidia-smi writes the domain with eight digits, sysfs with four or as many as it takes.
        bus=f"{int(domain, 16):04x}:{rest}",
        driver=values["driver_version"],
        mig=slices.get(values["uuid"], ()) if values["mig.mode.current"] == "Enabled" else None,
        persistence=values["persistence_mode"] == "Enabled",
    )


def number(text: str) -> int:
    """0 for ``[N/A]`` and the like."""
    return int(text) if text.isdigit() else 0


def _slices(answers: Answers) -> dict[str, tuple[str, ...]]:
    """UUIDs of MIG slices by the UUID of their card; ``nvidia-smi -L`` lists them below it."""
    slices: dict[str, tuple[str, ...]] = {}
    card = ""
    for (listed,) in answers.all("listed"):
        name = re.search(r"UUID: ((?:GPU|MIG)-[^)\s]+)\)", listed)
        if name and name[1].startswith("GPU-"):
            card = name[1]
        elif name:
            slices[card] = (*slices.get(card, ()), name[1])
    return slices
