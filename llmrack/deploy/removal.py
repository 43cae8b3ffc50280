"""What a removal takes from a host: it takes the place of what is declared."""

from __future__ import annotations

from llmrack.components.removal import removals, stays
from llmrack.deploy.run.rack import Purpose, Rack
from llmrack.resources.change import Resource


def _resources(rack: Rack, arch: str, credentials: bool) -> dict[str, list[Resource]]:
    """What the host shall no longer have, by component."""
    return removals(rack.host)


def _refusals(rack: Rack) -> list[str]:
    """Why nothing may be removed there; empty when all is well."""
    if rack.seen.fact("uid") != "0":
        return ["root is needed: log in as root, or give the login user sudo and pass --sudo"]
    return []


def _notes(rack: Rack) -> list[str]:
    """What stays, and why."""
    return stays(rack.host, rack.seen)


REMOVAL = Purpose(_resources, _refusals, _notes)
