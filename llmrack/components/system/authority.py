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

from llmrack.resources.change import Change, Shell
from llmrack.resources.files import File
from llmrack.resources.look import Look, Seen

PATH = "/usr/local/share/ca-certificates/llmrack.crt"
# What update-ca-certificates makes of it.
INSTALLED = "/etc/ssl/certs/llmrack.pem"
# update-ca-certificates reads names that end in .crt.
_WITHDRAWN = f"{PATH}.withdrawn"
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
        """Write it, and make the host's list anew; without ca-certificates that package does it.

        What that makes of an earlier one goes first: it shows that the list is up to date.
        """
        change = self._file.change(seen, changed)
        if change is None and INSTALLED in seen.paths:
            return None
        why = change.why if change else "not among the authorities"
        folder = PATH.rpartition("/")[0]
        actions = (
            Shell(f"mkdir -p {folder} && rm -f {INSTALLED}"),
            *(change.actions if change else ()),
            Shell(_UPDATE, timeout=300),
        )
        if change:
            return replace(change, resource=self.name, why=why, actions=actions)
        return Change(self.name, why, actions)


@dataclass(frozen=True)
class AuthorityGone:
    """The company's authority leaves a host for which none is declared."""

    name: ClassVar[str] = "Authority that nobody declares"

    def look(self, look: Look) -> None:
        """The file, under its name and under the one that it has while the list is made."""
        look.paths.update((PATH, _WITHDRAWN))

    def change(self, seen: Seen, changed: Collection[str]) -> Change | None:
        """Make the host's list without it; the file goes last, so that a run that ends is seen."""
        paths = [path for path in (PATH, _WITHDRAWN) if path in seen.paths]
        if not paths:
            return None
        script = f"[ ! -e {PATH} ] || mv -f {PATH} {_WITHDRAWN}; {{ {_UPDATE}; }} && "
        script += f"rm -f {_WITHDRAWN}"
        return Change(self.name, f"to be removed: {PATH}", (Shell(script, timeout=300),))
