"""``nvidia-smi`` on a host with pretended cards.

Messages are those of the real tool; its exit codes are NVML's return codes (nvidia-smi(1), RETURN
VALUE; nvmlReturn_t in NVML's API reference).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from .pretence import Card, Pretence

NOT_FOUND, NOT_LOADED, MISMATCH = 6, 9, 18

# The value of a field for a card at an index, and its unit.
_FIELDS: dict[str, tuple[Callable[[Pretence, int, Card], object], str]] = {
    "index": (lambda pretence, index, card: index, ""),
    "uuid": (lambda pretence, index, card: card.uuid, ""),
    "name": (lambda pretence, index, card: card.name, ""),
    "driver_version": (lambda pretence, index, card: pretence.loaded, ""),
    "compute_cap": (lambda pretence, index, card: card.compute, ""),
    "memory.total": (lambda pretence, index, card: card.memory_mib, "MiB"),
    "memory.used": (lambda pretence, index, card: 1, "MiB"),
    "pci.bus_id": (lambda pretence, index, card: f"0000{card.bus.upper()}", ""),
    "persistence_mode": (lambda pretence, index, card: "Enabled", ""),
    "mig.mode.current": (lambda pretence, index, card: "[N/A]", ""),
    "temperature.gpu": (lambda pretence, index, card: 35, ""),
    "utilization.gpu": (lambda pretence, index, card: 0, "%"),
}


def main(arguments: list[str]) -> int:
    """Answer as the real tool would on such a host; returns the exit status."""
    pretence = Pretence.read()
    if not pretence.loaded:
        print(
            "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. "
            "Make sure that the latest NVIDIA driver is installed and running.\n"
        )
        return NOT_LOADED
    if pretence.loaded != pretence.installed:
        print("Failed to initialize NVML: Driver/library version mismatch")
        print(f"NVML library version: {'.'.join(pretence.installed.split('.')[:2])}")
        return MISMATCH
    cards = list(pretence.cards)
    if pretence.state == "lost":
        cards.pop()
    if not cards or (pretence.state == "not-ready" and not Path("/dev/nvidia-uvm").exists()):
        print("No devices were found")
        return NOT_FOUND
    options = dict(word.partition("=")[::2] for word in arguments)
    if "--query-gpu" in options:
        return _query(pretence, cards, options["--query-gpu"], options.get("--format", ""))
    if arguments in (["-L"], ["--list-gpus"]):
        for index, card in enumerate(cards):
            print(f"GPU {index}: {card.name} (UUID: {card.uuid})")
        return 0
    if arguments:
        print("Invalid combination of input arguments. Please run 'nvidia-smi -h' for help.\n")
        return 2
    return _table(pretence, cards)


def _query(pretence: Pretence, cards: list[Card], query: str, form: str) -> int:
    names = query.split(",")
    unknown = [name for name in names if name not in _FIELDS]
    if unknown:
        print(f'Field "{unknown[0]}" is not a valid field to query.\n')
        return 2
    words = form.split(",")
    if "csv" not in words:
        print("\"--format=\" switch is missing. Please run 'nvidia-smi -h' for help.\n")
        return 2
    units = {name: "" if "nounits" in words else _FIELDS[name][1] for name in names}
    if "noheader" not in words:
        print(", ".join(f"{name} [{units[name]}]" if units[name] else name for name in names))
    for index, card in enumerate(cards):
        values = (f"{_FIELDS[name][0](pretence, index, card)} {units[name]}" for name in names)
        print(", ".join(value.rstrip() for value in values))
    return 0


def _table(pretence: Pretence, cards: list[Card]) -> int:
    line = "+" + "-" * 89 + "+"
    version = f"NVIDIA-SMI {pretence.installed}"
    print(line)
    print(f"| {version:<34}Driver Version: {pretence.loaded:<17}CUDA Version: N/A    |")
    print(line)
    for index, card in enumerate(cards):
        used = f"1MiB / {card.memory_mib}MiB"
        print(f"| {index:>3}  {card.name[:30]:<30} On  | 0000{card.bus.upper()} | {used:>26} |")
    print(line)
    print("| pretended by the lab; there is no such card here" + " " * 40 + "|")
    print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
