"""Debian packages."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from llmrack.resources.change import Change, InstallBundled, Shell
from llmrack.resources.downloads import with_variables
from llmrack.resources.look import Look, Seen
from llmrack.resources.script import script_file
from llmrack.stack.proxy import Downloads

# How Debian and Ollama's releases name what ``uname -m`` says.
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def target(seen: Seen) -> str:
    """A host's system, as bundles name it: ``debian-12-amd64``."""
    arch = ARCHITECTURES.get(seen.fact("arch"), seen.fact("arch"))
    return f"{seen.fact('os')}-{seen.fact('os_version')}-{arch}"


@dataclass(frozen=True)
class Packages:
    """Packages that are installed, in whatever version the distribution has.

    + name: its name in plans; unique on its host
    + bundle: the folder of the bundle that they come from, or None
    + downloads: how apt finds its way, unless apt's own configuration on the host says it
    """

    packages: tuple[str, ...]
    name: str = "Packages"
    bundle: Path | None = None
    downloads: Downloads | None = None

    def look(self, look: Look) -> None:
        """Their states."""
        look.packages.update(self.packages)

    def change(self, seen: Seen, changed: Collection[str]) -> Change | None:
        """Install missing packages; fetch the package lists only if they lack one of these."""
        missing = sorted(set(self.packages) - seen.packages)
        if not missing:
            return None
        why = f"missing: {', '.join(missing)}"
        if self.bundle:
            folder = self.bundle / target(seen) / "packages"
            install = InstallBundled(tuple(missing), folder)
            return Change(self.name, why, (install,), installs=True)
        install_them = script_file("resources/install-packages.sh", *missing)
        script = with_variables(self.downloads, install_them)
        fetch = Shell(script, timeout=1800, downloads=self.downloads)
        return Change(self.name, why, (fetch,), installs=True)
