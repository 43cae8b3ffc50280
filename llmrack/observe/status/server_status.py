"""The state of gateways and instances, which `llmrack status` and the report show."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from llmrack.observe.exit_codes import FINE, NOT_ASKED, NOT_FINE, worst

ServerState = Literal["ok", "trouble", "unknown", "off"]


@dataclass(frozen=True)
class Loaded:
    """A model in an instance's memory.

    + bytes: its whole size, on cards and not
    + on_gpu: share of it on cards, 0 to 1
    + until: when it is unloaded (ISO 8601, UTC); None if it stays, or if that is not known
    """

    model: str
    bytes: int
    on_gpu: float
    until: str | None


@dataclass(frozen=True)
class CardUse:
    """A GPU at this moment.

    + use_percent, temperature (degrees Celsius): None if the driver does not tell
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
    + context_length: in tokens, as it is served; None if the instance does not tell
    + capabilities: in the stack's words
    + size: bytes on disk; None if the instance does not tell
    """

    name: str
    context_length: int | None
    capabilities: tuple[str, ...]
    size: int | None
    declared: bool


@dataclass(frozen=True)
class ServerStatus:
    """A gateway or an instance.

    + name: a gateway's host; an instance's name for gateways and for ``--instance``
    + kind: ``gateway``, or the kind of its provider
    + host: None for a server elsewhere
    + priority: None for a gateway
    + why: cause and way out; if it is well, a remark, or empty
    + checked: when it was asked, in UTC
    + latency: seconds of a short answer, as seen from its host (elsewhere: from a gateway, through
      the SSH connection, with a new connection)
    + models: those it has, if they were asked for
    """

    name: str
    kind: str
    host: str | None
    url: str
    enabled: bool
    priority: int | None
    state: ServerState
    why: str
    version: str | None
    checked: datetime
    latency: float | None
    loaded: tuple[Loaded, ...] = ()
    cards: tuple[CardUse, ...] = ()
    models: tuple[ModelInfo, ...] = ()


@dataclass(frozen=True)
class Status:
    """Every gateway, then every instance, in the order declared."""

    servers: tuple[ServerStatus, ...]

    @property
    def exit_code(self) -> int:
        """1 when something is in trouble, else 2 when something is not known, else 0."""
        codes = {"trouble": NOT_FINE, "unknown": NOT_ASKED}
        return worst(codes.get(server.state, FINE) for server in self.servers)
