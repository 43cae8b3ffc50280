"""A card that models may be loaded into."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Gpu:
    """A card that models may be loaded into.

    Attributes:
        uuid: what it is selected by, beside its index; empty for Vulkan.
        library: ``CUDA``, ``ROCm`` or ``Vulkan``.
        compute: compute capability, or LLVM target.
        description: the product's name.
        driver: version of the NVIDIA driver; empty for others.
        pci_id: address on the bus.
        total: bytes of its memory.
        available: bytes of it that nobody uses.
        device: what has to be opened to work with it.
    """

    uuid: str
    library: str
    compute: str
    description: str
    driver: str
    pci_id: str
    total: int
    available: int
    device: Path

    @property
    def works(self) -> bool:
        """Whether its driver still lets this user in."""
        return _opens(self.device)


def _opens(device: Path) -> bool:
    try:
        os.close(os.open(device, os.O_RDWR))
    except OSError:
        return False
    return True
