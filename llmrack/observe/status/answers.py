"""The answers of hosts and servers that were asked for their state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from llmrack.hosts.connection import Unreached
from llmrack.observe.status.server_status import Loaded, ModelInfo
from llmrack.verify.causes import Trouble


@dataclass(frozen=True)
class HostAnswer:
    """The answer of a host.

    + seen: the output of ``shipped/host/status.py``; empty if the service user is missing
    + checked: when it was asked, in UTC
    """

    seen: Mapping[str, Any] | Unreached
    checked: datetime


@dataclass(frozen=True)
class ServerAnswer:
    """The answer of a server elsewhere to one gateway.

    + checked: when it was asked, in UTC
    + trouble: the failure; None if it answers
    + latency: seconds of a short answer
    + missing: a sentence for each declared model that it does not list
    """

    checked: datetime
    trouble: Trouble | Unreached | None = None
    latency: float | None = None
    version: str | None = None
    missing: tuple[str, ...] = ()
    loaded: tuple[Loaded, ...] = ()
    models: tuple[ModelInfo, ...] = ()
