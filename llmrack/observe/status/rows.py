"""What is served, by whom and how well: every gateway and instance, asked at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

State = Literal["ok", "trouble", "unknown", "off"]


@dataclass(frozen=True)
class Loaded:
    """A model in an instance's memory.

    + bytes: all of it, on cards and not
    + on_gpu: share of it on cards, 0 to 1
    + until: when it is unloaded (ISO 8601, UTC); None where it stays, or that is not known
    """

    model: str
    bytes: int
    on_gpu: float
    until: str | None


@dataclass(frozen=True)
class CardUse:
    """A GPU at this moment.

    + use_percent, temperature (degrees Celsius): None where the driver does not tell
    """

    name: str
    use_percent: int | None
    temperature: int | None
    used_mib: int
    memory_mib: int


@dataclass(frozen=True)
class ModelInfo:
    """A model that an instance has.

    + name: the instance's own name for it
    + context_length: in tokens, as it is served; None where the instance does not say
    + capabilities: in the stack's words
    + size: bytes on disk; None where the instance does not say
    """

    name: str
    context_length: int | None
    capabilities: tuple[str, ...]
    size: int | None
    declared: bool


@dataclass(frozen=True)
class Row:
    """A gateway or an instance.

    + name: of a gateway its host, of an instance what gateways and ``--instance`` call it
    + kind: ``gateway``, or the kind of its provider
    + host: None for what runs elsewhere
    + priority: None for a gateway
    + why: cause and way out; of one that is well what is worth knowing, or empty
    + checked: when it was asked, in UTC
    + latency: seconds of a short answer, as seen from its host (elsewhere: from a gateway, through
      the SSH connection, making a connection included)
    + models: those it has, where they were asked for
    """

    name: str
    kind: str
    host: str | None
    url: str
    enabled: bool
    priority: int | None
    state: State
    why: str
    version: str | None
    checked: datetime
    latency: float | None
    loaded: tuple[Loaded, ...] = ()
    cards: tuple[CardUse, ...] = ()
    models: tuple[ModelInfo, ...] = ()


@dataclass(frozen=True)
class Status:
    """All of them: gateways, then instances, in the order declared."""

    rows: tuple[Row, ...]

    @property
    def exit_code(self) -> int:
        """1 when something is in trouble, else 2 when something is not known, else 0."""
        states = {row.state for row in self.rows}
        return 1 if "trouble" in states else 2 if "unknown" in states else 0


def ask_status(inventory: str, folder: Path, models: bool = False) -> Status:
    """Ask all hosts at once; a dead one costs its own deadline.

    + models: also which models each instance has

    Raises FileNotFoundError and DeclarationError, as ``read_inventory`` does.
    """
    # The requests need httpx, which costs 0.2 s to import.
    from llmrack.hosts.asking import Gateways
    from llmrack.observe.status.asking import status_of

    return status_of(Gateways(inventory, folder), models)
