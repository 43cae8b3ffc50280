"""The saved states of a lab: by name, the layers of each host's disk and the GPUs it pretends."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from llmrack_lab import gpus, state
from llmrack_lab.host import LabHost
from llmrack_lab.owned import locked
from llmrack_lab.pretended_gpu.pretence import Pretence
from llmrack_lab.shell import LabError, Progress, run, silent

FILE = "saved.json"


@dataclass(frozen=True)
class SavedHost:
    """One host in a saved state.

    Attributes:
        layers: that its disk lies on, the newest first.
        gpus: what it pretends, as JSON.
    """

    layers: tuple[str, ...]
    gpus: str


States = Mapping[str, Mapping[str, SavedHost]]
"""By the name of the state and that of the host."""


class SavedStates:
    """The saved states of the lab in `folder`, which is named as the lab is.

    `lock` is the lab's, and `find_hosts` returns its hosts or raises LabError if there is no lab.
    """

    def __init__(
        self, folder: Path, lock: Path, find_hosts: Callable[[], Sequence[LabHost]]
    ) -> None:
        self._folder = folder
        self._lock = lock
        self._find_hosts = find_hosts

    @property
    def names(self) -> list[str]:
        """Their names, the oldest first."""
        return list(self._read())

    @property
    def mebibytes(self) -> int:
        """What all of them take together on this machine's drive."""
        folders = list(self._folder.glob("box*/layers"))
        if not folders:
            return 0
        lines = run(["du", "-scm", *folders], timeout=300).stdout.splitlines()
        return int(lines[-1].split()[0])

    def save(self, name: str, progress: Progress = silent) -> None:
        """Shut the hosts down in good order, make layers of their disks, boot them on these.

        Replaces a state of this name. A host that does not run is booted, too. Raises LabError, and
        saves nothing, for a name that cannot be one, a disk that lies on too many layers, or a host
        that does not go down within a minute.
        """
        if not re.fullmatch(r"[a-z][a-z0-9-]{0,29}", name):
            raise LabError(
                f"{name!r} is no name of a saved state: a letter, then up to 29 letters, digits "
                "or hyphens, all of them small"
            )
        self._find_hosts()
        with locked(self._lock, progress):
            hosts = self._find_hosts()
            for host in hosts:
                host.disk.check_room()
            try:
                progress("shutting down the hosts")
                _together(LabHost.switch_off, hosts)
                saved = {host.name: self._save_host(host) for host in hosts}
                others = {other: state for other, state in self._read().items() if other != name}
                states = others | {name: saved}
                self._write(states)
                for host in hosts:
                    host.disk.remove_unused(_layers_of(host, states))
            finally:
                progress("booting the hosts")
                _together(_boot, [host for host in hosts if not host.is_running()])

    def go_back(self, name: str, progress: Progress = silent) -> None:
        """Cut the hosts' power and boot them from their disks in this state.

        Raises LabError if there is no such state, or if it has other hosts than the lab.
        """
        self._find_hosts()
        with locked(self._lock, progress):
            states, hosts = self._read(), self._find_hosts()
            self._check_hosts(name, states, hosts)

            def replace(host: LabHost) -> None:
                saved = states[name][host.name]
                host.kill()
                host.disk.go_back(saved.layers)
                host.disk.remove_unused(_layers_of(host, states))
                gpus.declare(self._folder / host.name, Pretence.from_json(saved.gpus))
                _boot(host)

            progress("booting the hosts from their saved disks")
            _together(replace, hosts)

    def _save_host(self, host: LabHost) -> SavedHost:
        pretended = gpus.declared(self._folder / host.name)
        return SavedHost(host.disk.save(), pretended.to_json())

    def _check_hosts(self, name: str, states: States, hosts: Sequence[LabHost]) -> None:
        lab = self._folder.name
        if name not in states:
            known = f"it has: {', '.join(states)}" if states else "`llmrack lab save` makes one"
            raise LabError(f"lab {lab} has no saved state {name!r}; {known}")
        present = [host.name for host in hosts]
        if set(states[name]) != set(present):
            raise LabError(
                f"lab {lab} has the hosts {', '.join(present)}, and its state {name} was saved "
                f"with {', '.join(states[name])}; `llmrack lab save {name}` saves the hosts as "
                "they are in its place"
            )

    def _read(self) -> States:
        file = self._folder / FILE
        states = json.loads(file.read_text()) if file.exists() else {}
        return {
            name: {host: SavedHost(tuple(of["layers"]), of["gpus"]) for host, of in saved.items()}
            for name, saved in states.items()
        }

    def _write(self, states: States) -> None:
        content = {
            name: {host: asdict(saved) for host, saved in hosts.items()}
            for name, hosts in states.items()
        }
        state.write(self._folder / FILE, json.dumps(content, indent=2) + "\n")


def _layers_of(host: LabHost, states: States) -> set[str]:
    """The layers of its disk in all states."""
    saved = [hosts[host.name].layers for hosts in states.values() if host.name in hosts]
    return {layer for layers in saved for layer in layers}


def _boot(host: LabHost) -> None:
    host.boot()
    host.wait_ready()


def _together(action: Callable[[LabHost], None], hosts: Sequence[LabHost]) -> None:
    """Do it on all hosts at once; raises what the first of them raised, when all have ended."""
    with ThreadPoolExecutor(max(1, len(hosts))) as pool:
        for done in [pool.submit(action, host) for host in hosts]:
            done.result()
