"""The GPUs that were seen last, for plans and for runs that do not ask every host."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from llmrack.files import replace_file
from llmrack.secrets.locking import alone_with
from llmrack.stack.fleet import Fleet, Host

KNOWN = Path(".llmrack/gpus.json")


def remember_cards(host: Host, folder: Path) -> None:
    """Keep the known cards of ``host`` beside those of all other hosts.

    Raises DeclarationError when another run keeps the file locked, and OSError.
    """
    file = folder / KNOWN
    file.parent.mkdir(exist_ok=True)
    # Two runs at a time must not lose what the other one saw.
    with alone_with(file):
        uuids = list(host.gpus or ())
        entry = {"uuids": uuids, "rocm": True} if host.rocm else uuids
        known = _known(folder) | {host.address: entry}
        replace_file(file, json.dumps(known, indent=2) + "\n", 0o644)


def with_known_cards(fleet: Fleet, folder: Path) -> Fleet:
    """``fleet`` with what is known of cards: what was seen last, by the hosts' addresses.

    UUIDs matter only to hosts whose instances depend on them.
    """
    known = _known(folder)

    def filled(host: Host) -> Host:
        entry = known.get(host.address)
        uuids, rocm = entry, False
        if isinstance(entry, dict):
            uuids, rocm = entry.get("uuids"), entry.get("rocm") is True
        if not host.settings.instances_follow_cards or not isinstance(uuids, list):
            return replace(host, rocm=rocm)
        return replace(host, gpus=tuple(uuids), rocm=rocm)

    return Fleet(tuple(filled(host) for host in fleet.hosts))


def _known(folder: Path) -> dict[str, Any]:
    """By address: a list of UUIDs, or with ROCm ``{"uuids": […], "rocm": true}``."""
    try:
        known = json.loads((folder / KNOWN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
