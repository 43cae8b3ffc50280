"""What a lab remembers of itself between two commands."""

from __future__ import annotations

import ipaddress
import json
import uuid
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from llmrack_lab.base import SUITE
from llmrack_lab.release import Kind
from llmrack_lab.shell import LabError

SUBNETS = {"demo": "10.77.0.0/24", "test": "10.78.0.0/24"}
FILE = "lab.json"


@dataclass(frozen=True)
class State:
    """The lab's identity.

    + id: marks its processes
    + release: where its Ollama comes from; unset until it is chosen
    + suite: its hosts' release of Debian
    """

    id: str
    subnet: str
    release: Kind | None = None
    suite: str = SUITE

    @property
    def network(self) -> ipaddress.IPv4Network:
        """The subnet, parsed."""
        return ipaddress.IPv4Network(self.subnet)

    def chose(self, kind: Kind) -> State:
        """The same lab, with its release chosen."""
        return replace(self, release=kind)

    def write(self, folder: Path) -> State:
        """Keep it in the lab's folder; returns itself."""
        write(folder / FILE, json.dumps(asdict(self)) + "\n")
        return self


def read(folder: Path) -> State | None:
    """The state of the lab in this folder, None if there is no lab."""
    file = folder / FILE
    return State(**json.loads(file.read_text())) if file.exists() else None


def ensure(folder: Path, subnet: str | None, suite: str | None = None) -> State:
    """The lab's state, made if there is no lab yet.

    + subnet: None for the one of the lab, or of its name
    + suite: a release of Debian; None for the one of the lab, or the default

    Raises LabError if the lab has another subnet or release of Debian.
    """
    name = folder.name
    if state := read(folder):
        if subnet not in (None, state.subnet):
            raise LabError(
                f"lab {name} exists with the subnet {state.subnet}; "
                "`llmrack lab down` first to give it another"
            )
        if suite not in (None, state.suite):
            raise LabError(
                f"lab {name} exists with hosts of Debian {state.suite}; "
                f"`llmrack lab down` first to give it hosts of {suite}"
            )
        return state
    wanted = subnet or SUBNETS.get(name)
    if wanted is None:
        raise LabError(f"lab {name} needs a subnet of its own: --subnet 10.N.0.0/24")
    try:
        network = ipaddress.IPv4Network(wanted)
    except ValueError as error:
        raise LabError(f"--subnet: {error}; a valid one is 10.80.0.0/24") from None
    if network.prefixlen > 24 or not network.is_private:
        raise LabError(f"--subnet: {wanted} is no private network of at least 256 addresses (/24)")
    return State(uuid.uuid4().hex, wanted, suite=suite or SUITE).write(folder)


def write(file: Path, content: str) -> None:
    """Write a file that anyone may read, atomically; nothing is touched if it is so already."""
    if file.exists() and file.read_text() == content:
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f".{file.name}.new")
    beside.write_text(content)
    beside.chmod(0o644)
    beside.rename(file)
