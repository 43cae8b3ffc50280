"""The service user, its linger and its groups, as far as llmrack made them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import PurePosixPath
from shlex import quote

from llmrack.components.ollama.models_seen import models_part, seen_models
from llmrack.resources.absent import REMOVAL_TIMEOUT
from llmrack.resources.change import Change, Shell
from llmrack.resources.look import Look, Seen
from llmrack.resources.ownership import KEPT, NOTES


@dataclass(frozen=True)
class AccountGone:
    """A user that llmrack made goes with its home; another one loses what llmrack gave it.

    + models: the models directory, which stays and is root's then
    + with_models: whether the models go, too
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
        """The user, its linger mark, its models, and what is noted."""
        look.users.add(self.user)
        look.ask(models_part(self.models))
        look.made = True

    def change(self, seen: Seen, changed: Collection[str]) -> Change | None:
        """End its processes, empty its home, remove it; or take back linger and groups."""
        if f"user {self.user}" in seen.made:
            return self._gone(seen)
        steps, why = [], []
        if f"linger {self.user}" in seen.made:
            steps.append(f"loginctl disable-linger {self.user} && forget 'linger {self.user}'")
            why.append("linger to be disabled")
        for line in sorted(seen.made):
            kind, *rest = line.split()
            if kind == "group" and rest[1:] == [self.user]:
                steps.append(f"gpasswd -d {self.user} {rest[0]} >/dev/null && forget '{line}'")
                why.append(f"to leave the group {rest[0]}")
        if not steps:
            return None
        return Change(self.name, ", ".join(why), (Shell(NOTES + " && ".join(steps), timeout=120),))

    def _gone(self, seen: Seen) -> Change:
        keeps = bool(seen_models(seen)) and not self.with_models
        why = f"to be removed with all that is in {self.home}"
        if keeps:
            why += f", but the models in {self.models}, which are root's then"
        mine = " ".join(
            quote(line)
            for line in sorted(seen.made)
            if line.split()[0] in ("user", "linger", "group") and line.split()[-1] == self.user
        )
        script = (
            f"{NOTES}if i=$(id -u {self.user} 2>/dev/null); then\n"
            f"loginctl disable-linger {self.user}\n"
            "systemctl stop user@$i.service user-$i.slice\n"
            "fi\n"
            f"{self._kept(keeps)}{self._emptied(keeps)}\n"
            f"! id {self.user} >/dev/null 2>&1 || userdel {self.user} || exit 1\n"
            f'for l in {mine}; do forget "$l"; done'
        )
        return Change(self.name, why, (Shell(script, timeout=REMOVAL_TIMEOUT),))

    def _kept(self, keeps: bool) -> str:
        """Whoever gets the number of the user later shall not get what was its own."""
        note = f"note {quote(KEPT + self.models)} && " if keeps else ""
        if not (keeps or self._elsewhere):
            return ""
        return (
            f"[ ! -e {self.models} ] || {{ {note}chown -hR root:root {self.models}; }} || exit 1\n"
        )

    @property
    def _elsewhere(self) -> bool:
        return not PurePosixPath(self.models).is_relative_to(self.home)

    def _emptied(self, keeps: bool) -> str:
        """Filesystems mounted below are not entered; what could not go says so."""
        home = self.home
        if not keeps or self._elsewhere:
            return (
                f"[ ! -d {home} ] || {{ find {home} -xdev -mindepth 1 -delete && "
                f"{{ mountpoint -q {home} || rmdir {home}; }}; }} || exit 1"
            )
        above = [
            str(each) for each in PurePosixPath(self.models).parents if each.is_relative_to(home)
        ]
        spared = " ".join(f"! -path {each}" for each in (self.models, *above))
        return (
            f"find {home} -xdev -depth -mindepth 1 ! -path '{self.models}/*' {spared} -delete && "
            f"chown root:root {' '.join(above)} || exit 1"
        )
