"""Debian packages."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from llmrack.resources.change import Change, Shell
from llmrack.resources.look import Look, Seen


@dataclass(frozen=True)
class Packages:
    """Packages that are installed, in whatever version the distribution has.

    + name: what plans call it; unique on its host
    """

    packages: tuple[str, ...]
    name: str = "Packages"

    def look(self, look: Look) -> None:
        """Their states."""
        look.packages.update(self.packages)

    def change(self, seen: Seen, changed: Collection[str]) -> Change | None:
        """Install what is missing; the lists are fetched only when they cannot name it."""
        missing = sorted(set(self.packages) - seen.packages)
        if not missing:
            return None
        names = " ".join(missing)
        install = (
            f"apt-get -y -q --no-install-recommends -o DPkg::Lock::Timeout=300 install {names}"
        )
        script = (
            "export DEBIAN_FRONTEND=noninteractive; "
            f"apt-cache show {names} >/dev/null 2>&1 || apt-get -q update || exit 1; "
            f"{install} || {{ apt-get -q update && {install}; }}"
        )
        return Change(self.name, f"missing: {', '.join(missing)}", (Shell(script, timeout=1800),))
