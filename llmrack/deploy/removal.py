"""A host that llmrack leaves: what is removed there takes the place of what is declared."""

from __future__ import annotations

from typing_extensions import override

from llmrack.components.removal import removals, stays
from llmrack.deploy.run.rack import Rack
from llmrack.resources.change import Resource


class Leaving(Rack):
    """A host in a removal; it is looked at, locked and changed like one in a deploy."""

    @override
    def resources(self, arch: str) -> dict[str, list[Resource]]:
        """What the host shall no longer have, by component."""
        return removals(self.host)

    @override
    def refusals(self) -> list[str]:
        """Why nothing may be removed here; empty when all is well."""
        if self.seen.fact("uid") != "0":
            return ["root is needed: log in as root, or give the login user sudo and pass --sudo"]
        return []

    @override
    def notes(self) -> list[str]:
        """What stays, and why."""
        return stays(self.host, self.seen)
