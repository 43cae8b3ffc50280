"""Writes the status for people, at 80 columns with or without colour, and for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from llmrack.observe.requests.usage import stamp
from llmrack.observe.status.server_status import CardUse, Loaded, ModelInfo, ServerStatus, Status
from llmrack.tables import printed

# The name is folded to its width.
COLUMNS = {
    "name": 16,
    "kind": 17,
    "state": 7,
    "prio": 4,
    "version": 8,
    "latency": 8,
    "checked": 8,
}
RIGHT = ("prio", "latency")
STYLES = {"ok": "green", "trouble": "bold red", "unknown": "yellow", "off": "dim"}


def view(status: Status) -> RenderableType:
    """A line for each gateway and instance, and its details below it."""
    parts: list[RenderableType] = [_line(*(Text(head, "bold") for head in COLUMNS))]
    for server in status.servers:
        parts.append(_line(*_cells(server)))
        parts += [Padding(Text(line, overflow="fold"), (0, 0, 0, 2)) for line in _details(server)]
    return Group(*parts, "", Text(_summary(status)))


def text(status: Status) -> str:
    """The same as plain text of 80 columns."""
    return printed(view(status))


def _line(*cells: Text) -> Table:
    line = Table.grid(padding=(0, 2, 0, 0))
    for head, width in COLUMNS.items():
        line.add_column(
            width=width,
            justify="right" if head in RIGHT else "left",
            # A long name continues below; a long version is cut.
            overflow="fold" if head == "name" else "ellipsis",
            no_wrap=head != "name",
        )
    line.add_row(*cells)
    return line


def _cells(server: ServerStatus) -> Iterator[Text]:
    yield Text(server.name)
    yield Text(server.kind)
    yield Text(server.state, STYLES[server.state])
    yield Text("" if server.priority is None else str(server.priority))
    yield Text(server.version or "")
    yield Text("" if server.latency is None else f"{server.latency * 1000:.0f} ms")
    yield Text(f"{server.checked:%H:%M:%S}")


def _details(server: ServerStatus) -> Iterator[str]:
    yield server.url
    if server.why:
        yield server.why
    for loaded in server.loaded:
        yield f"loaded: {_loaded(loaded)}"
    for card in server.cards:
        yield f"GPU: {_card(card)}"
    for model in server.models:
        yield f"model: {_model(model)}"


def _loaded(loaded: Loaded) -> str:
    until = ""
    if loaded.until:
        until = f", until {datetime.fromisoformat(loaded.until):%H:%M:%S}"
    on_gpu = f"{loaded.on_gpu:.0%} GPU" if loaded.on_gpu else "100% CPU"
    return f"{loaded.model}, {_gigabytes(loaded.bytes)}, {on_gpu}{until}"


def _card(card: CardUse) -> str:
    parts = [card.name]
    if card.use_percent is not None:
        parts.append(f"{card.use_percent}% used")
    if card.temperature is not None:
        parts.append(f"{card.temperature} °C")
    parts.append(f"{card.used_mib / 1024:.1f} of {card.memory_mib / 1024:.0f} GB")
    return ", ".join(parts)


def _model(model: ModelInfo) -> str:
    parts = [model.name]
    if model.context_length:
        parts.append(f"{model.context_length} tokens")
    parts += model.capabilities
    if model.size:
        parts.append(_gigabytes(model.size))
    if not model.declared:
        parts.append("not declared")
    return ", ".join(parts)


def _gigabytes(size: int) -> str:
    """As `ollama list` counts them: in powers of ten."""
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"


def _summary(status: Status) -> str:
    counts = {state: sum(server.state == state for server in status.servers) for state in STYLES}
    shown = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    last = max((server.checked for server in status.servers), default=None)
    return f"{shown}; times are UTC, {last:%Y-%m-%d}" if last else "there is nothing to ask"


def as_json(status: Status, indent: int | None = 2) -> str:
    """The same for programs; sizes in bytes, cards' memory in MiB, latency in seconds."""
    plain = {"exit_code": status.exit_code, "rows": [_plain(server) for server in status.servers]}
    return json.dumps(plain, indent=indent)


def _plain(server: ServerStatus) -> dict[str, Any]:
    return asdict(server) | {"checked": stamp(server.checked)}
