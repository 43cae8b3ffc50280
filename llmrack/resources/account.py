"""The service's user, its groups and its lingering user manager."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from shlex import quote

from llmrack.resources.change import Change, Shell
from llmrack.resources.look import Look, Seen


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
        """Its passwd entry and groups."""
        look.users.add(self.user)
        look.groups.update(self.groups)

    def change(self, seen: Seen, changed: Collection[str]) -> Change | None:
        """Create it, or add it to the groups it lacks."""
        user = quote(self.user)
        join = "; ".join(
            f"getent group {group} >/dev/null && usermod -aG {group} {user}"
            for group in map(quote, self.groups)
        )
        if self.user not in seen.users:
            create = f"useradd --create-home --home-dir {quote(self.home)} --shell /bin/bash {user}"
            return Change(self.name, "missing", (Shell(f"{create} || exit 1; {join or ':'}; :"),))
        known = seen.fact("known_groups").split()
        lacking = [g for g in self.groups if g in known and g not in seen.groups[self.user]]
        if lacking:
            return Change(self.name, f"not in {', '.join(lacking)}", (Shell(f"{join}; :"),))
        return None


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
        """Enable it and wait for the bus: enabling is asynchronous."""
        if self.user in seen.linger:
            return None
        wait = (
            f"loginctl enable-linger {self.user} && b=/run/user/$(id -u {self.user})/bus && "
            "n=0; until [ -S $b ]; do n=$((n+1)); [ $n -gt 300 ] && "
            f'{{ echo "the user manager of {self.user} did not start within 30 s"; exit 1; }}; '
            "sleep 0.1; done"
        )
        return Change(self.name, "not enabled", (Shell(wait),))
