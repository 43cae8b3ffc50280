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
            ROCR_VISIBLE_DEVICES takes it.
        name: the product's name.
        memory_mib: its memory.
        compute: its compute capability, for AMD its LLVM target.
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
        vendor: ``nvidia`` or ``amd``.
        state: ``fine``, ``no-driver``, ``nouveau``, ``unsigned``, ``not-ready``, ``lost`` or
            ``suspended``; a driver that is too old or does not fit shows in the versions alone.
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
    def module_file(self) -> Path:
        """Where DKMS puts the kernel module, for the running kernel."""
        return Path("/lib/modules") / os.uname().release / "updates/dkms/nvidia.ko"
