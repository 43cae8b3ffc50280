"""A folder with a systemctl, a docker and a podman that pretend: scripts for hosts run on it."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from llmrack.resources.ownership import MADE

# Of a unit there are files called like properties of systemd. A unit with a drop-in of llmrack's is
# not started; one with a file `stays` is not stopped, one with a file `ends` does not stay up.
SYSTEMCTL = """#!/bin/sh
echo "systemctl $*" >>"$FOLDER/calls"
for last; do :; done
unit=$FOLDER/units/$last
case "$*" in
  *daemon-reload* | *reset-failed*) exit 0 ;;
  *is-enabled*) [ -e "$unit/enabled" ] ;;
  show*)
    case $3 in
      Id) cat "$unit/Id" 2>/dev/null || echo "$last" ;;
      LoadState) if [ -d "$unit" ]; then cat "$unit/LoadState"; else echo not-found; fi ;;
      *) cat "$unit/$3" 2>/dev/null ;;
    esac
    ;;
  *stop*) [ ! -e "$unit/stays" ] && echo inactive >"$unit/ActiveState" ;;
  start*)
    [ ! -e "$FOLDER/etc/$last.d/llmrack-replaces.conf" ] || exit 0
    if [ -e "$unit/ends" ]; then echo activating; else echo active; fi >"$unit/ActiveState"
    ;;
esac
"""
# Of a container there are the files id, running, policy (with its number), removed, and, as Podman
# 4.3.1 and Docker print them, ports and mounts.
DOCKER = """#!/bin/sh
echo "${0##*/} $*" >>"$FOLDER/calls"
for last; do :; done
cd "$FOLDER/${0##*/}/$last" 2>/dev/null || exit 1
case $1 in
  inspect)
    policy=$(cat policy)
    number=${policy#*:}
    [ "$number" != "$policy" ] || number=0
    echo "$(cat id)|7|$(cat running)|${policy%:*}|$number|$(cat removed)|$(cat ports)|$(cat mounts)"
    ;;
  update)
    [ ! -e old ] || exit 125
    echo "${2#--restart=}" >policy
    ;;
  stop) echo false >running ;;
  start) [ ! -e ends ] && echo true >running ;;
esac
"""
SETPRIV = """#!/bin/sh
while [ "$1" != sh ]; do shift; done
exec "$@"
"""


@dataclass(frozen=True)
class Pretended:
    """The host that pretends."""

    folder: Path

    def __post_init__(self) -> None:
        programs = {"systemctl": SYSTEMCTL, "docker": DOCKER, "podman": DOCKER}
        programs |= {"sleep": "#!/bin/sh\n", "journalctl": "#!/bin/sh\necho 'address in use'\n"}
        # The service user is who runs the test.
        programs |= {"id": "#!/bin/sh\necho 1000\n", "setpriv": SETPRIV}
        (self.folder / "bin").mkdir()
        for name, text in programs.items():
            (self.folder / "bin" / name).write_text(text)
            (self.folder / "bin" / name).chmod(0o755)

    def unit(self, name: str, active: str = "active", **properties: str) -> Path:
        """A unit that is there."""
        place = self.folder / "units" / name
        place.mkdir(parents=True)
        for key, value in {"LoadState": "loaded", "ActiveState": active, **properties}.items():
            (place / key).write_text(f"{value}\n")
        return place

    def container(self, program: str, name: str, policy: str = "no", **more: str) -> Path:
        """A container that runs."""
        place = self.folder / program / name
        place.mkdir(parents=True)
        state = {"id": "f0e1", "running": "true", "policy": policy, "removed": "false"}
        for key, value in {**state, "ports": "{}", "mounts": "[]", **more}.items():
            (place / key).write_text(f"{value}\n")
        return place

    def sh(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run a script as if the host's files were in the folder."""
        places = {"/etc/systemd/system": "etc", MADE: "made", MADE.rpartition("/")[0]: "."}
        for path, place in places.items():
            # Not in what a unit reads.
            script = script.replace(f"=!{path}", "=!\0").replace(path, str(self.folder / place))
            script = script.replace("\0", path)
        return subprocess.run(
            ["sh", "-c", script],
            capture_output=True,
            text=True,
            env={"PATH": f"{self.folder / 'bin'}:/usr/bin:/bin", "FOLDER": str(self.folder)},
        )

    @property
    def notes(self) -> list[str]:
        """What is noted of what llmrack made."""
        made = self.folder / "made"
        return made.read_text().splitlines() if made.exists() else []

    @property
    def calls(self) -> list[str]:
        """How the programs were called."""
        return (self.folder / "calls").read_text().splitlines()

    def drop_in(self, unit: str) -> Path:
        """The file that keeps a unit from starting."""
        return self.folder / "etc" / f"{unit}.d" / "llmrack-replaces.conf"

    def state(self, unit: str) -> str:
        """ActiveState of a unit."""
        return (self.folder / "units" / unit / "ActiveState").read_text().strip()
