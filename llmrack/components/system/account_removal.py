"""Removal of the service user, its linger and its groups, as far as llmrack made them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from llmrack.components.engines import models_part, models_seen
from llmrack.resources.absent import REMOVAL_TIMEOUT
from llmrack.resources.change import Change, Shell
from llmrack.resources.look import Look, Seen
from llmrack.resources.script import script_file


@dataclass(frozen=True)
class AccountGone:
    """Removes a user that llmrack made, with its home; takes from another what llmrack gave it.

    + models: the models directory; if it stays, it belongs to root then
    + with_models: whether the models are removed, too
    """

    user: str
    home: str
    models: str
    with_models: bool

    @property
    def name(self) -> str:
        """As in ``User llm``."""
        return f"User {self.user}"

    def look(self, look: Look) -> None:
        """The user, its linger mark, its models, and llmrack's notes."""
        look.users.add(self.user)
        look.ask(models_part(self.models))
        look.made = True

    def change(self, seen: Seen, changed: Collection[str]) -> Change | None:
        """End its processes, empty its home, remove it; or take back linger and groups."""
        if f"user {self.user}" in seen.made:
            return self._gone(seen)
        lines, why = [], []
        if f"linger {self.user}" in seen.made:
            lines.append(f"linger {self.user}")
            why.append("linger to be disabled")
        for line in sorted(seen.made):
            kind, *rest = line.split()
            if kind == "group" and rest[1:] == [self.user]:
                lines.append(line)
                why.append(f"to leave the group {rest[0]}")
        if not lines:
            return None
        script = script_file("system/take-from-user.sh", self.user, *lines)
        return Change(self.name, ", ".join(why), (Shell(script, timeout=120),))

    def _gone(self, seen: Seen) -> Change:
        keeps = bool(models_seen(seen)) and not self.with_models
        why = f"to be removed with all that is in {self.home}"
        if keeps:
            why += f", but the models in {self.models}, which are root's then"
        lines = [
            line
            for line in sorted(seen.made)
            if line.split()[0] in ("user", "linger", "group") and line.split()[-1] == self.user
        ]
        words = (self.user, self.home, self.models, "keep" if keeps else "empty", *lines)
        script = script_file("system/remove-user.sh", *words)
        return Change(self.name, why, (Shell(script, timeout=REMOVAL_TIMEOUT),))
