"""Releases that nothing needs any more, removed once another one has proved itself."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import PurePosixPath

from llmrack.resources.change import Change, Shell
from llmrack.resources.files import owned
from llmrack.resources.look import Look, Seen
from llmrack.resources.script import script_file


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
        present = {
            path
            for path, entry in seen.paths.items()
            if entry.kind == "d" and str(PurePosixPath(path).parent) == self.folder
        }
        if not set(self.after) <= set(changed) or len(present | {self.new}) <= self.keep:
            return None
        prune = script_file("resources/prune-releases.sh", self.folder, self.keep, *self.links)
        script = Shell(owned(self.user, prune), timeout=300)
        return Change(self.name, f"more than {self.keep}", (script,))
