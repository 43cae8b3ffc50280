"""What a host pretends: its cards, the driver, and what is wrong with them."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

FILE = Path("/etc/pretended-gpus.json")
"""Where a host keeps its pretence; it survives a reboot."""


@dataclass(frozen=True)
class Card:
    """A pretended card.

    Attributes:
        uuid: as ``nvidia-smi -L`` prints it; for AMD ``GPU-`` and the unique id in hexadecimal, as
            ROCR_VISIBLE_DEVICES takes it; empty for Intel.
        name: the product's name.
        memory_mib: its memory.
        compute: its compute capability, for AMD its LLVM target, empty for Intel.
        bus: its PCI address in sysfs, ``0000:01:00.0``.
        device: its PCI device id, ``0x2684``.
    """

    uuid: str
    name: str
    memory_mib: int
    compute: str
    bus: str
    device: str


@dataclass(frozen=True)
class Pretence:
    """The GPUs of a host.

    Attributes:
        vendor: ``nvidia``, ``amd`` or ``intel``.
        state: ``fine``, ``no-driver``, ``nouveau``, ``unsigned``, ``not-ready``, ``lost``,
            ``suspended`` or ``no-vulkan``; a driver that is too old or does not fit shows in the
            versions alone.
        cards: in the order of the bus.
        loaded: version of the driver that the kernel has loaded; empty for none.
        installed: version of the driver on the disk, library and module; empty for none.
        seconds: how long after each boot a host that is ``not-ready`` becomes ready; None is never.
    """

    vendor: str
    state: str
    cards: tuple[Card, ...]
    loaded: str
    installed: str
    seconds: float | None = None

    @classmethod
    def from_json(cls, text: str) -> Pretence:
        """The pretence that :meth:`to_json` wrote."""
        data = json.loads(text)
        return cls(**{**data, "cards": tuple(Card(**card) for card in data["cards"])})

    def to_json(self) -> str:
        """One JSON object, for people to read."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def read(cls) -> Pretence:
        """The pretence of this host."""
        return cls.from_json(FILE.read_text())

    def write(self) -> None:
        """Make this the pretence of this host; whoever reads meanwhile sees the old or the new."""
        part = FILE.with_suffix(".part")
        part.write_text(self.to_json())
        part.replace(FILE)

    @property
    def target(self) -> int:
        """The LLVM target of AMD's cards as the kernel shows it: 110000 for gfx1100."""
        digits = self.cards[0].compute.removeprefix("gfx") if self.cards else ""
        if self.vendor != "amd" or not digits:
            return 0
        return int(digits[:-2]) * 10_000 + int(digits[-2], 16) * 100 + int(digits[-1], 16)

    @property
    def vulkan(self) -> bool:
        """Whether Vulkan is there, because the cards have nothing else."""
        return self.state == "fine" and (self.vendor == "intel" or 0 < self.target < 90_010)

    @property
    def module_file(self) -> Path:
        """Where DKMS puts the kernel module, for the running kernel."""
        return Path("/lib/modules") / os.uname().release / "updates/dkms/nvidia.ko"
