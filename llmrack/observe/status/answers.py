"""What hosts and servers answered when they were asked how they are."""

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
    """What a host answered.

    + seen: what ``shipped/host/status.py`` printed; empty where the service user is missing
    + checked: when it was asked, in UTC
    """

    seen: Mapping[str, Any] | Unreached
    checked: datetime


@dataclass(frozen=True)
class ServerAnswer:
    """What a server elsewhere answered to one gateway.

    + checked: when it was asked, in UTC
    + trouble: why it is of no use; None where it answers
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
