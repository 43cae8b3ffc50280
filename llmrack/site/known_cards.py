"""The GPUs that were seen last, for plans and for runs that do not ask every host."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

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
        known = _known(folder) | {host.address: list(host.gpus or ())}
        replace_file(file, json.dumps(known, indent=2) + "\n", 0o644)


def with_known_cards(fleet: Fleet, folder: Path) -> Fleet:
    """``fleet`` with the cards that were seen last, for hosts whose instances depend on them."""
    known = _known(folder)

    def filled(host: Host) -> Host:
        if not host.settings.instances_follow_cards or host.address not in known:
            return host
        return replace(host, gpus=tuple(known[host.address]))

    return Fleet(tuple(filled(host) for host in fleet.hosts))


def _known(folder: Path) -> dict[str, list[str]]:
    try:
        known = json.loads((folder / KNOWN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
