"""What nvidia-smi says of NVIDIA's cards.

It is sent to hosts: Python 3.10 and its standard library.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import NamedTuple

# Columns of ``nvidia-smi --query-gpu``, in the order of a card's fields.
COLUMNS = ("uuid", "name", "utilization.gpu", "temperature.gpu", "memory.used", "memory.total")


class Card(NamedTuple):
    """A card. A figure is None where the card does not tell it.

    + temperature: in degrees Celsius
    + used_mib: memory in use
    + memory_mib: memory in use and free
    """

    uuid: str
    name: str
    use_percent: int | None
    temperature: int | None
    used_mib: int | None
    memory_mib: int | None


def nvidia_cards() -> Iterator[Card]:
    """NVIDIA's cards; none where nvidia-smi is missing or fails."""
    query = f"--query-gpu={','.join(COLUMNS)}"
    for line in output(["nvidia-smi", query, "--format=csv,noheader,nounits"]).splitlines():
        values = [value.strip() for value in line.split(",")]
        if len(values) == len(COLUMNS):
            yield card(*values)


def card(uuid: str, name: str, *figures: str) -> Card:
    """A card from texts, in the order of its fields; some cards answer ``[N/A]``."""
    return Card(uuid, name, *(int(text) if text.isdigit() else None for text in figures))


def output(command: list[str]) -> str:
    """What a command prints; empty where it fails or runs for more than 10 seconds."""
    try:
        ran = subprocess.run(  # noqa: S603  (no shell)
            command, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return ran.stdout
