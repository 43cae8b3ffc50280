"""Releases that nothing needs any more, removed once another one has proved itself."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import PurePosixPath
from shlex import quote

from llmrack.resources.change import Change, Shell
from llmrack.resources.files import owned
from llmrack.resources.look import Look, Seen
from llmrack.resources.releases import STAMP


@dataclass(frozen=True)
class OldReleases:
    """``folder`` has ``keep`` releases at most, the newest ones and those that are in use.

    In use is where a link leads, and where a process of the user works or runs from. It is looked
    after when a new release came, and at no other time.

    + new: the release that comes, where one does
    + links: patterns of links
    + after: names of the resources whose change is a new release that proved itself
    """

    folder: str
    user: str
    keep: int
    new: str
    links: tuple[str, ...]
    after: tuple[str, ...]

    @property
    def name(self) -> str:
        """As in ``Old releases in /home/llm/.local/opt/ollama``."""
        return f"Old releases in {self.folder}"

    def look(self, look: Look) -> None:
        """What is in the folder."""
        look.globs.add(f"{self.folder}/*")

    def change(self, seen: Seen, changed: Collection[str]) -> Change | None:
        """Remove the oldest that nobody needs."""
        there = {
            path
            for path, found in seen.paths.items()
            if found.kind == "d" and str(PurePosixPath(path).parent) == self.folder
        }
        if not set(self.after) <= set(changed) or len(there | {self.new}) <= self.keep:
            return None
        script = Shell(owned(self.user, self._prune()), timeout=300)
        return Change(self.name, f"more than {self.keep}", (script,))

    def _prune(self) -> str:
        # A release without its stamp counts as absent: so that goes first, and what is left by an
        # interruption is nobody's release.
        return (
            f"cd -P {quote(self.folder)} || exit 1; "
            f"used=$({{ readlink -f {' '.join(self.links)}; "
            "readlink /proc/[0-9]*/cwd /proc/[0-9]*/exe; } 2>/dev/null | "
            'sed -n "s|^$PWD/\\([^/]*\\).*|\\1|p" | sort -u); '
            'n=$(echo "$used" | grep -c .); [ $n -gt 0 ] || exit 0; '
            "for each in $(ls -1t); do "
            '[ -d "$each" ] && [ ! -L "$each" ] || continue; '
            'echo "$used" | grep -qxF -- "$each" && continue; '
            f'if [ -e "$each/{STAMP}" ]; then n=$((n+1)); [ $n -gt {self.keep} ] || continue; fi; '
            f'rm -f "$each/{STAMP}" && rm -rf "./$each"; done'
        )
