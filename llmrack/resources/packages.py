"""Debian packages."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from llmrack.resources.change import Change, InstallBundled, Shell
from llmrack.resources.look import Look, Seen
from llmrack.resources.ownership import NOTES

# How Debian and Ollama's releases name what ``uname -m`` says.
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}

# For sh, as root: get APT-GET [OPTION]... install PACKAGE... It notes the packages that come new,
# as in "Inst zstd (1.5.4 ...)"; where another version comes the old one follows in brackets. Of an
# installation that was cut off dpkg has kept a journal, and apt refuses to work before it is read.
GET = (
    NOTES
    + r"""
get() {
  if ls /var/lib/dpkg/updates | grep -q '^[0-9]*$'; then dpkg --configure -a </dev/null; fi
  new=$(LC_ALL=C "$@" -s </dev/null | sed -n 's/^Inst \([^ ]*\) (.*/\1/p')
  for p in $new; do note "package $p" || return 1; done
  "$@" </dev/null && return
  for p in $new; do
    case $(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null) in
      ''|not-installed|config-files) forget "package $p";;
    esac
  done
  return 1
}
"""
)


def target(seen: Seen) -> str:
    """What a host runs, as bundles name it: ``debian-12-amd64``."""
    arch = ARCHITECTURES.get(seen.fact("arch"), seen.fact("arch"))
    return f"{seen.fact('os')}-{seen.fact('os_version')}-{arch}"


@dataclass(frozen=True)
class Packages:
    """Packages that are installed, in whatever version the distribution has.

    + name: what plans call it; unique on its host
    + bundle: the bundle that they come from, or None
    """

    packages: tuple[str, ...]
    name: str = "Packages"
    bundle: Path | None = None

    def look(self, look: Look) -> None:
        """Their states."""
        look.packages.update(self.packages)

    def change(self, seen: Seen, changed: Collection[str]) -> Change | None:
        """Install what is missing; the lists are fetched only when they cannot name it."""
        missing = sorted(set(self.packages) - seen.packages)
        if not missing:
            return None
        why = f"missing: {', '.join(missing)}"
        if self.bundle:
            folder = self.bundle / target(seen) / "packages"
            return Change(self.name, why, (InstallBundled(tuple(missing), folder),))
        names = " ".join(missing)
        install = (
            f"get apt-get -y -q --no-install-recommends -o DPkg::Lock::Timeout=300 install {names}"
        )
        script = (
            f"{GET}export DEBIAN_FRONTEND=noninteractive; "
            f"apt-cache show {names} >/dev/null 2>&1 || apt-get -q update || exit 1; "
            f"{install} || {{ apt-get -q update && {install}; }}"
        )
        return Change(self.name, why, (Shell(script, timeout=1800),))
