"""Asks every host for its GPUs, at once; nothing is changed."""

from __future__ import annotations

import json
import secrets as random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from pyinfra.api.host import Host as PyinfraHost
from rich import box
from rich.table import Table
from rich.text import Text

from llmrack.components.gpu.gpus import Gpus, gpus, grouped, uuids
from llmrack.components.gpu.lines import LOOK
from llmrack.components.gpu.states import State
from llmrack.hosts.asking import Gateways
from llmrack.hosts.connection import Unreached
from llmrack.hosts.snapshot import Snapshot
from llmrack.observe.exit_codes import FINE, NOT_ASKED, NOT_FINE, worst
from llmrack.resources.look import Look, parse
from llmrack.stack.engines import is_engine
from llmrack.stack.fleet import Host
from llmrack.tables import printed

# Seconds a host may take to answer: nvidia-smi may need ten of them.
ANSWER_DEADLINE = 30


@dataclass(frozen=True)
class HostGpus:
    """A host's answer about its GPUs.

    + engine: whether it runs models
    """

    host: Host
    engine: bool
    answer: Gpus | Unreached

    @property
    def needed(self) -> bool:
        """Whether the host serves models that must be on a GPU."""
        return self.engine and self.host.settings.gpu_required

    @property
    def code(self) -> int:
        """Its part in the exit code."""
        if isinstance(self.answer, Unreached):
            return NOT_ASKED
        return NOT_FINE if self.needed and self.answer.state is not State.FINE else FINE


def ask_gpus(gateways: Gateways) -> list[HostGpus]:
    """Ask every host of an inventory, in its order."""
    stack, hosts = gateways.declared.stack, gateways.declared.fleet.hosts

    def question(host: Host, connected: PyinfraHost) -> Gpus:
        look = Look(users={host.settings.service_user})
        look.ask(LOOK)
        lines = connected.get_fact(Snapshot, look=look, nonce=random.token_hex(8))
        try:
            return gpus(parse(lines, look), host.settings)
        except ValueError as error:
            raise Unreached(str(error)) from None

    answers = gateways.ask(question, hosts, ANSWER_DEADLINE)
    return [HostGpus(host, is_engine(stack, host), answers[host.name]) for host in hosts]


def exit_code(rows: Sequence[HostGpus]) -> int:
    """1 when GPUs that are needed are not fine, else 2 when a host could not be asked, else 0."""
    return worst(row.code for row in rows)


def table(rows: Sequence[HostGpus], every_card: bool = False) -> str:
    """The hosts, then a sentence for each that is not fine; 80 columns of plain text.

    + every_card: also a line for each card, with what pins it
    """
    shown = Table("host", "state", "driver", "cards", "memory used", box=box.SIMPLE, pad_edge=False)
    for row in rows:
        shown.add_row(row.host.name, *map(Text, _cells(row)))
    # A card's line is never broken: programs may read it.
    cards = [f"{line}\n" for row in rows if every_card for line in _cards(row)]
    return printed(shown, *_sentences(rows)) + "".join(cards)


def _cells(row: HostGpus) -> tuple[str, str, str, str]:
    if isinstance(row.answer, Unreached):
        return "no answer", "", "", ""
    cards = row.answer.cards
    used, total = sum(card.used_mib for card in cards), sum(card.memory_mib for card in cards)
    memory = f"{used / 1024:.1f} of {total / 1024:.0f} GB" if total else ""
    # The maker's names are omitted: 80 columns are few.
    names = grouped(cards).replace("NVIDIA ", "").replace("GeForce ", "")
    return str(row.answer.state), row.answer.driver, names, memory


def _sentences(rows: Sequence[HostGpus]) -> Iterator[str]:
    for row in rows:
        if isinstance(row.answer, Unreached):
            yield f"{row.host.name}: {row.answer}"
        elif row.needed and row.answer.reason:
            yield f"{row.host.name}: {row.answer.reason}"
        elif row.engine and row.answer.state is not State.FINE:
            yield f"{row.host.name}: serves from its CPU, as declared (`gpu_required = False`)"
        elif row.engine and row.answer.libraries:
            yield f"{row.host.name}: its cards are used {row.answer.libraries}"


def _cards(row: HostGpus) -> Iterator[str]:
    for card in () if isinstance(row.answer, Unreached) else row.answer.cards:
        for uuid in card.mig or (card.uuid,):
            yield f"{row.host.name} {card.bus} {uuid or 'no UUID'} {card.name}"


def as_json(rows: Sequence[HostGpus]) -> str:
    """The same for programs; memory in MiB."""
    hosts = [
        {
            "host": row.host.name,
            "engine": row.engine,
            "gpu_required": row.host.settings.gpu_required,
        }
        | _plain(row.answer)
        for row in rows
    ]
    return json.dumps({"exit_code": exit_code(rows), "hosts": hosts}, indent=2)


def _plain(answer: Gpus | Unreached) -> dict[str, object]:
    if isinstance(answer, Unreached):
        return {"unreachable": str(answer)}
    return {
        "unreachable": None,
        "state": str(answer.state),
        "reason": answer.reason,
        "vendor": answer.vendor,
        "driver": answer.driver,
        "uuids": uuids(answer),
        "cards": [asdict(card) for card in answer.cards],
    }
