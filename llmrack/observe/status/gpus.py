"""What the hosts say about themselves: one question to each, all at once, nothing is changed."""

from __future__ import annotations

import json
import secrets as random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from io import StringIO
from pathlib import Path

import gevent
from paramiko import SSHException
from pyinfra.api.config import Config
from pyinfra.api.exceptions import ConnectError, PyinfraError
from pyinfra.api.host import Host as PyinfraHost
from pyinfra.api.state import State as PyinfraState
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from llmrack.components.gpu.gpus import Gpus, gpus, grouped, uuids
from llmrack.components.gpu.states import State
from llmrack.hosts.connection import tune
from llmrack.hosts.snapshot import Snapshot
from llmrack.resources.look import Look, parse
from llmrack.site.declared import open_inventory, read
from llmrack.stack.engines import is_engine
from llmrack.stack.fleet import Host

WIDTH = 80
# Seconds a host may take to let us in, and to answer: nvidia-smi may need ten of them.
CONNECT_DEADLINE, ANSWER_DEADLINE = 10, 30
FINE, NOT_FINE, NOT_ASKED = 0, 1, 2


@dataclass(frozen=True)
class HostGpus:
    """What a host said of its GPUs.

    + engine: whether it runs models
    + gpus: None when it could not be asked; ``unreachable`` then says why
    """

    host: Host
    engine: bool
    gpus: Gpus | None
    unreachable: str = ""

    @property
    def needed(self) -> bool:
        """Whether models are served here that must be on a GPU."""
        return self.engine and self.host.settings.gpu_required

    @property
    def code(self) -> int:
        """Its part in the exit code."""
        if self.gpus is None:
            return NOT_ASKED
        return NOT_FINE if self.needed and self.gpus.state is not State.FINE else FINE


def ask_gpus(inventory: str, folder: Path) -> list[HostGpus]:
    """Ask every host of an inventory, in its order.

    Raises FileNotFoundError and DeclarationError, as ``read_inventory`` does.
    """
    found = open_inventory(inventory, folder)
    declared = read(found, folder)
    config = Config(CONNECT_TIMEOUT=CONNECT_DEADLINE)  # type: ignore[no-untyped-call]
    state = PyinfraState(found, config)
    asked = [
        state.pool.spawn(_ask, found.get_host(host.name), host, is_engine(declared.stack, host))
        for host in declared.fleet.hosts
    ]
    gevent.joinall(asked)
    return [greenlet.get() for greenlet in asked]


def _ask(pyinfra_host: PyinfraHost, host: Host, engine: bool) -> HostGpus:
    user = host.settings.service_user
    try:
        with gevent.Timeout(CONNECT_DEADLINE + ANSWER_DEADLINE):
            pyinfra_host.connect(show_errors=False, raise_exceptions=True)
            tune(pyinfra_host)
            look = Look(gpus=True, users={user})
            lines = pyinfra_host.get_fact(Snapshot, look=look, nonce=random.token_hex(8))
            pyinfra_host.disconnect()
            seen = parse(lines)
    except gevent.Timeout:
        limit = CONNECT_DEADLINE + ANSWER_DEADLINE
        return HostGpus(host, engine, None, f"no answer within {limit} s")
    except ConnectError as error:
        return HostGpus(host, engine, None, f"no connection: {error}")
    except (PyinfraError, SSHException, OSError, EOFError, ValueError) as error:
        return HostGpus(host, engine, None, str(error) or type(error).__name__)
    return HostGpus(host, engine, gpus(seen, user))


def exit_code(rows: Sequence[HostGpus]) -> int:
    """1 when GPUs that are needed are not fine, else 2 when a host could not be asked, else 0."""
    codes = {row.code for row in rows}
    return NOT_FINE if NOT_FINE in codes else max(codes, default=FINE)


def table(rows: Sequence[HostGpus], every_card: bool = False) -> str:
    """The hosts, then a sentence for each that is not fine; 80 columns of plain text.

    + every_card: also a line for each card, with what pins it
    """
    console = Console(file=StringIO(), width=WIDTH, color_system=None, highlight=False)
    shown = Table("host", "state", "driver", "cards", "memory used", box=box.SIMPLE, pad_edge=False)
    for row in rows:
        shown.add_row(row.host.name, *map(Text, _cells(row)))
    console.print(shown)
    for text in _sentences(rows):
        console.print(Text(text))
    for row in rows if every_card else ():
        for text in _cards(row):
            console.print(Text(text), soft_wrap=True)
    file = console.file
    assert isinstance(file, StringIO)  # noqa: S101  (given above)
    return "\n".join(line.rstrip() for line in file.getvalue().strip("\n").splitlines()) + "\n"


def _cells(row: HostGpus) -> tuple[str, str, str, str]:
    if row.gpus is None:
        return "no answer", "", "", ""
    cards = row.gpus.cards
    used, total = sum(card.used_mib for card in cards), sum(card.memory_mib for card in cards)
    memory = f"{used / 1024:.1f} of {total / 1024:.0f} GB" if total else ""
    # Whose they are is known; 80 columns are few.
    names = grouped(cards).replace("NVIDIA ", "").replace("GeForce ", "")
    return str(row.gpus.state), row.gpus.driver, names, memory


def _sentences(rows: Sequence[HostGpus]) -> Iterator[str]:
    for row in rows:
        if row.gpus is None:
            yield f"{row.host.name}: {row.unreachable}"
        elif row.needed and row.gpus.reason:
            yield f"{row.host.name}: {row.gpus.reason}"
        elif row.engine and row.gpus.state is not State.FINE:
            yield f"{row.host.name}: serves from its CPU, as declared (`gpu_required = False`)"


def _cards(row: HostGpus) -> Iterator[str]:
    for card in row.gpus.cards if row.gpus else ():
        for uuid in card.mig or (card.uuid,):
            yield f"{row.host.name} {card.bus} {uuid or 'no UUID'} {card.name}"


def as_json(rows: Sequence[HostGpus]) -> str:
    """The same for programs; memory in MiB."""
    hosts = [
        {
            "host": row.host.name,
            "engine": row.engine,
            "gpu_required": row.host.settings.gpu_required,
            "unreachable": row.unreachable or None,
        }
        | (_plain(row.gpus) if row.gpus else {})
        for row in rows
    ]
    return json.dumps({"exit_code": exit_code(rows), "hosts": hosts}, indent=2)


def _plain(found: Gpus) -> dict[str, object]:
    return {
        "state": str(found.state),
        "reason": found.reason,
        "vendor": found.vendor,
        "driver": found.driver,
        "uuids": uuids(found),
        "cards": [asdict(card) for card in found.cards],
    }
