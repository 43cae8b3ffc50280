"""The cards that were seen last: a plan, and a run for some hosts alone, know the others'."""

from __future__ import annotations

import json
from dataclasses import replace
from fcntl import LOCK_EX, flock
from pathlib import Path

from llmrack.stack.fleet import Fleet, Host

KNOWN = Path(".llmrack/gpus.json")


def remember_cards(fleet: Fleet, folder: Path) -> None:
    """Keep the cards of ``fleet``, beside those of hosts that are not in it."""
    seen = {host.address: list(host.gpus) for host in fleet.hosts if host.gpus is not None}
    file = folder / KNOWN
    file.parent.mkdir(exist_ok=True)
    # Two runs at a time must not lose what the other one saw.
    with file.with_suffix(".lock").open("a") as lock:
        flock(lock, LOCK_EX)
        beside = file.with_suffix(".new")
        beside.write_text(json.dumps(_known(folder) | seen, indent=2) + "\n", encoding="utf-8")
        beside.replace(file)


def with_known_cards(fleet: Fleet, folder: Path) -> Fleet:
    """``fleet`` with the cards that were seen last, where instances follow from them."""
    known = _known(folder)

    def filled(host: Host) -> Host:
        if not host.settings.instances_follow_cards or host.address not in known:
            return host
        return replace(host, gpus=tuple(known[host.address]))

    return Fleet(tuple(filled(host) for host in fleet.hosts))


def _known(folder: Path) -> dict[str, list[str]]:
    try:
        found = json.loads((folder / KNOWN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
