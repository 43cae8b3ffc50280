"""The company's authority, which every program on the host trusts as it does the others.

It is installed for the whole host, as Debian and Ubuntu do it (update-ca-certificates(8)) and as
Ollama's documentation asks for (docs/faq.mdx): apt, curl, Go and LiteLLM read the same list. An
update of ca-certificates keeps the company's authority and withdraws others. A list of llmrack's
own would be as old as the last deploy.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import ClassVar

from llmrack.resources.absent import PathsGone
from llmrack.resources.change import Change, Shell
from llmrack.resources.files import File
from llmrack.resources.look import Look, Seen

PATH = "/usr/local/share/ca-certificates/llmrack.crt"
# What update-ca-certificates makes of it.
INSTALLED = "/etc/ssl/certs/llmrack.pem"
_UPDATE = "! command -v update-ca-certificates >/dev/null || update-ca-certificates --fresh"


@dataclass(frozen=True)
class Authority:
    """The certificates of ``ca_file`` are among the host's authorities.

    + content: in PEM form
    """

    name: ClassVar[str] = "Authority of the company"
    content: str

    @property
    def _file(self) -> File:
        return File(PATH, self.content)

    def look(self, look: Look) -> None:
        """The file, and whether it is among the authorities."""
        self._file.look(look)
        look.paths.add(INSTALLED)

    def change(self, seen: Seen, changed: Collection[str]) -> Change | None:
        """Write it, and make the host's list anew; without ca-certificates that package does it."""
        change = self._file.change(seen, changed)
        if change is None and INSTALLED in seen.paths:
            return None
        why = change.why if change else "not among the authorities"
        folder = PATH.rpartition("/")[0]
        actions = [Shell(f"mkdir -p {folder}"), *(change.actions if change else ())]
        actions.append(Shell(_UPDATE, timeout=300))
        if change:
            return replace(change, resource=self.name, why=why, actions=tuple(actions))
        return Change(self.name, why, tuple(actions))


def authority_gone() -> PathsGone:
    """The removal of the company's authority, from a host that has none declared."""
    return PathsGone("Authority that nobody declares", (PATH,), after=_UPDATE)
