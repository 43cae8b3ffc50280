"""Debian packages."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from llmrack.resources.change import Change, InstallBundled, Shell
from llmrack.resources.look import Look, Seen
from llmrack.resources.ownership import MADE, NOTES

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
# For the look: which of the noted packages are installed, and which of those can go, since nothing
# else depends on them and nobody has edited their configuration. The apt that is asked is told that
# they alone came as dependencies.
REMOVABLE = (
    f"m={MADE}\n"
    + r"""
p=$(sed -n 's/^package //p' $m 2>/dev/null)
[ -z "$p" ] || p=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $p 2>/dev/null |
  sed -n 's/^installed //p')
[ -z "$p" ] || (
  s=$(mktemp) && trap 'rm -f "$s"' EXIT; unedited=
  for q in $p; do
    printf 'package\t%s\tinstalled\n' "$q"
    c=$(dpkg-query -W -f '${Conffiles}\n' "$q" |
      sed -n 's|^ \(/.*\) \([0-9a-f]\{32\}\)$|\2  \1|p')
    [ -z "$c" ] || echo "$c" | md5sum -c --status 2>/dev/null || continue
    unedited="$unedited $q"
  done
  apt-mark -o Dir::State::extended_states="$s" auto $unedited >/dev/null 2>&1
  apt-get -s -o Dir::State::extended_states="$s" -o APT::AutoRemove::RecommendsImportant=false \
    -o APT::AutoRemove::SuggestsImportant=false autoremove 2>/dev/null |
    sed -n 's/^Remv \([^ ]*\) .*/removable\t\1/p'
)"""
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
            install = InstallBundled(tuple(missing), folder)
            return Change(self.name, why, (install,), installs=True)
        names = " ".join(missing)
        apt = (
            f"get apt-get -y -q --no-install-recommends -o DPkg::Lock::Timeout=300 install {names}"
        )
        script = (
            f"{GET}export DEBIAN_FRONTEND=noninteractive; "
            f"apt-cache show {names} >/dev/null 2>&1 || apt-get -q update || exit 1; "
            f"{apt} || {{ apt-get -q update && {apt}; }}"
        )
        return Change(self.name, why, (Shell(script, timeout=1800),), installs=True)
