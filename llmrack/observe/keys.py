"""The keys of clients, and their use as the gateways have noted it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from shlex import quote

from pyinfra.api.host import Host as PyinfraHost
from rich import box
from rich.table import Table
from rich.text import Text

from llmrack.hosts.asking import Gateways
from llmrack.hosts.commands import run, sh
from llmrack.hosts.connection import Unreached
from llmrack.observe.exit_codes import FINE, NOT_ASKED
from llmrack.resources.change import as_user
from llmrack.stack.fleet import Host
from llmrack.tables import printed

# One pass on the host, so that the log itself does not cross the network.
_COUNT = """
import json, pathlib, sys
found = {}
for path in pathlib.Path(sys.argv[1]).glob("requests*.jsonl"):
    with path.open(errors="replace") as lines:
        for line in lines:
            try:
                entry = json.loads(line)
                name, time = entry["key"], entry["time"]
            except (ValueError, KeyError, TypeError):
                continue
            row = found.setdefault(name, [0, ""])
            row[0] += 1
            row[1] = max(row[1], time)
print(json.dumps(found))
"""

# For each name, how many requests there were, and when the last one ended (ISO 8601, UTC).
Usage = dict[str, tuple[int, str]]


@dataclass(frozen=True)
class KeyRow:
    """A key.

    + models: those it may ask; empty: all
    + expires: its last day, ISO 8601
    + issued: when it was issued; None if it was not
    + requests, last_used: at the gateways that could be asked
    """

    name: str
    declared: bool
    models: tuple[str, ...]
    expires: str | None
    rpm: int | None
    issued: str | None
    requests: int
    last_used: str | None


@dataclass(frozen=True)
class Keys:
    """All keys.

    + unreached: why gateways, by host, could not be asked for the keys' use
    """

    rows: Sequence[KeyRow]
    unreached: Mapping[str, str]

    @property
    def exit_code(self) -> int:
        """2 when a gateway could not be asked, else 0."""
        return NOT_ASKED if self.unreached else FINE


def list_keys(gateways: Gateways) -> Keys:
    """Every key that is declared or was issued, in the order declared."""
    answers = gateways.ask(_count)
    used: Usage = {}
    for answer in answers.values():
        for name, (requests, last) in ({} if isinstance(answer, Unreached) else answer).items():
            before = used.get(name, (0, ""))
            used[name] = before[0] + requests, max(before[1], last)
    declared, issued = gateways.declared.stack.keys, gateways.declared.issued
    rows = []
    for name in dict.fromkeys((*declared, *issued)):
        key = declared.get(name)
        requests, last = used.get(name, (0, ""))
        rows.append(
            KeyRow(
                name,
                key is not None,
                key.models if key else (),
                key.expires.isoformat() if key and key.expires else None,
                key.rpm if key else None,
                issued[name].issued if name in issued else None,
                requests,
                last or None,
            )
        )
    failed = {
        host: str(answer) for host, answer in answers.items() if isinstance(answer, Unreached)
    }
    return Keys(rows, failed)


def _count(host: Host, connected: PyinfraHost) -> Usage:
    home = host.home
    folder = quote(home.requests)
    count = as_user(home.user, f"python3 -I -c {quote(_COUNT)} {folder}")
    # Before the first deploy there is no log.
    script = f"if [ -d {folder} ]; then {count}; else echo '{{}}'; fi"
    answer = run(connected, sh(script))
    if not answer.succeeded:
        raise Unreached(f"its log of requests cannot be read: {answer.stderr or 'no reason given'}")
    return {name: (requests, last) for name, (requests, last) in json.loads(answer.stdout).items()}


def table(keys: Keys, today: str) -> str:
    """The keys at 80 columns, then a sentence for each that is of no use.

    + today: ISO 8601, in UTC
    """
    heads = ("key", "models", "expires", "rpm", "issued", "requests", "last used")
    shown = Table(*heads, box=box.SIMPLE, pad_edge=False)
    for row in keys.rows:
        cells = (
            row.name,
            " ".join(row.models) or "all",
            row.expires or "never",
            str(row.rpm or "any"),
            (row.issued or "never")[:10],
            str(row.requests),
            (row.last_used or "never")[:16].replace("T", " "),
        )
        shown.add_row(*map(Text, cells))
    return printed(shown) + "".join(f"{sentence}\n" for sentence in _sentences(keys, today))


def _sentences(keys: Keys, today: str) -> list[str]:
    sentences = []
    for row in keys.rows:
        if not row.declared:
            sentences.append(f"{row.name}: is not declared, so no gateway knows it after a deploy")
        elif row.issued is None:
            sentences.append(f"{row.name}: was never issued; run: llmrack keys issue {row.name}")
        elif row.expires and row.expires < today:
            sentences.append(f"{row.name}: expired; declare another day and deploy")
    sentences += [f"{host} could not be asked: {why}" for host, why in keys.unreached.items()]
    return sentences


def as_json(keys: Keys) -> str:
    """The same for programs."""
    rows = [asdict(row) for row in keys.rows]
    plain = {"exit_code": keys.exit_code, "keys": rows, "not_asked": dict(keys.unreached)}
    return json.dumps(plain, indent=2)
