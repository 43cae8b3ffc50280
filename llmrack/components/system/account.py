"""The service's user, its groups and its lingering user manager."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from shlex import quote

from llmrack.resources.change import Change, Shell
from llmrack.resources.look import Look, Seen
from llmrack.resources.ownership import KEPT, MADE, NOTES


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
        """Its passwd entry, groups and home, and what a removal has kept for it."""
        look.users.add(self.user)
        look.paths.add(self.home)
        look.groups.update(self.groups)
        look.made = True

    def change(self, seen: Seen, changed: Collection[str]) -> Change | None:
        """Create it, finish that, give it models that were kept, or add it to groups it lacks."""
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
        user = quote(self.user)
        join = "; ".join(
            f"note {quote(f'group {group} {self.user}')} && usermod -aG {quote(group)} {user}"
            for group in lacking
        )
        return Change(self.name, f"not in {', '.join(lacking)}", (Shell(f"{NOTES}{join}; :"),))

    def _create(self) -> str:
        user, noted = quote(self.user), quote(f"user {self.user}")
        return (
            f"{NOTES}note {noted} || exit 1\n"
            f"useradd --create-home --home-dir {quote(self.home)} --shell /bin/bash {user} || "
            f"{{ forget {noted}; exit 1; }}\n"
            f"{self._equip()}"
        )

    def _finish(self) -> str:
        """What useradd does last, by the rules that it has (login.defs(5))."""
        user, home = quote(self.user), quote(self.home)
        return (
            f"mkdir -p {home} && cp -rn /etc/skel/. {home}/ && chown -hR {user}: {home} && "
            "chmod \"$(sed -n 's/^HOME_MODE[[:space:]]*//p' /etc/login.defs | grep . || "
            f'echo 755)" {home} || exit 1\n{self._equip()}'
        )

    def _equip(self) -> str:
        join = "; ".join(
            f"getent group {group} >/dev/null && usermod -aG {group} {quote(self.user)}"
            for group in map(quote, self.groups)
        )
        return f"{self._take_back()}\n{join or ':'}; :"

    def _take_back(self) -> str:
        """Of a home that is there useradd makes nothing, and below it there are but the models."""
        user, home = quote(self.user), quote(self.home)
        return (
            f"sed -n 's/^{KEPT}//p' {MADE} | while IFS= read -r kept; do\n"
            f"case $kept in {home}/*) cp -rn /etc/skel/. {home}/; kept={home};; esac\n"
            f"chown -hR {user}: \"$kept\" || exit 1; done && sed -i '/^{KEPT}/d' {MADE}"
        )


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
        noted = quote(f"linger {self.user}")
        wait = (
            f"{NOTES}note {noted} || exit 1; "
            f"loginctl enable-linger {self.user} || {{ forget {noted}; exit 1; }}; "
            f"b=/run/user/$(id -u {self.user})/bus; "
            "n=0; until [ -S $b ]; do n=$((n+1)); [ $n -gt 300 ] && "
            f'{{ echo "the user manager of {self.user} did not start within 30 s"; exit 1; }}; '
            "sleep 0.1; done"
        )
        return Change(self.name, "not enabled", (Shell(wait),))
