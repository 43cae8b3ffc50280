"""Removal of releases that nothing needs, once a new one has proved itself."""

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

    A release is in use if a link leads to it, or if a process of the user works in it or runs from
    it. Releases are removed only when a new one has come.

    + new: the release that is declared
    + links: patterns of links
    + after: names of the resources whose changes bring a new release and prove it
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
        """The content of the folder."""
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
