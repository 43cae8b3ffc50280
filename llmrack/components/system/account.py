"""The service's user, its groups and its lingering user manager."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from llmrack.resources.change import Change, Shell
from llmrack.resources.look import Look, Seen
from llmrack.resources.ownership import KEPT
from llmrack.resources.script import script_file


@dataclass(frozen=True)
class User:
    """An unprivileged user without a password.

    + groups: groups it is added to where they exist (render and video, for AMD cards)
    """

    user: str
    home: str
    groups: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """As in ``User llm``."""
        return f"User {self.user}"

    def look(self, look: Look) -> None:
        """Its passwd entry, groups and home, and the models that a removal kept."""
        look.users.add(self.user)
        look.paths.add(self.home)
        look.groups.update(self.groups)
        look.made = True

    def change(self, seen: Seen, changed: Collection[str]) -> Change | None:
        """Create it, finish an earlier creation, return its models, or add it to missing groups."""
        if self.user not in seen.users:
            return Change(self.name, "missing", (Shell(self._create()),))
        home = seen.paths.get(self.home)
        if f"user {self.user}" in seen.made and (home is None or home.owner != self.user):
            why = "its making was cut off: its home is not its own"
            return Change(self.name, why, (Shell(self._finish()),))
        if any(line.startswith(KEPT) for line in seen.made):
            why = "models that were kept are root's"
            return Change(self.name, why, (Shell(self._take_back()),))
        known = seen.fact("known_groups").split()
        lacking = [g for g in self.groups if g in known and g not in seen.groups[self.user]]
        if not lacking:
            return None
        join = script_file("system/join-noted.sh", self.user, *lacking)
        return Change(self.name, f"not in {', '.join(lacking)}", (Shell(join),))

    def _create(self) -> str:
        create = script_file("system/create-user.sh", self.user, self.home)
        return f"{create} || exit 1\n{self._equip()}"

    def _finish(self) -> str:
        finish = script_file("system/finish-home.sh", self.user, self.home)
        return f"{finish} || exit 1\n{self._equip()}"

    def _equip(self) -> str:
        join = script_file("system/join-groups.sh", self.user, *self.groups)
        return f"{self._take_back()}\n{join}"

    def _take_back(self) -> str:
        return script_file("system/take-back-models.sh", self.user, self.home)


@dataclass(frozen=True)
class Linger:
    """The user's manager runs from boot, without a login."""

    user: str

    @property
    def name(self) -> str:
        """As in ``Linger llm``."""
        return f"Linger {self.user}"

    def look(self, look: Look) -> None:
        """Its linger mark."""
        look.users.add(self.user)

    def change(self, seen: Seen, changed: Collection[str]) -> Change | None:
        """Enable it and wait for the user's bus, because systemd enables it asynchronously."""
        if self.user in seen.linger:
            return None
        wait = script_file("system/enable-linger.sh", self.user)
        return Change(self.name, "not enabled", (Shell(wait),))
