"""The audit file: a line for every operation on a key, each chained to the one before.

A line is JSON: `time` (ISO 8601, UTC), `who`, `action`, `names`, `result`, and `after`, the SHA-256
of the line before. An edited or removed line breaks the chain. A shortened file does not match the
vault, which notes the end of the chain whenever it is written.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import platform
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from llmrack.secrets.locking import alone_with
from llmrack.secrets.places import Places

BEGIN = "0" * 64


@dataclass(frozen=True)
class Mark:
    """The end of a chain: its number of lines, and the SHA-256 of the last one."""

    lines: int = 0
    last: str = BEGIN


@dataclass(frozen=True)
class Verdict:
    """The result of a chain's check.

    + lines: the number of sound lines, from the first on
    + problem: the damage after these; None if there is none
    """

    lines: int
    problem: str | None = None


def now() -> str:
    """The time, ISO 8601 in UTC to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def who() -> str:
    """The user and the machine that run this."""
    return f"{getpass.getuser()}@{platform.node()}"


def note(places: Places, action: str, names: Iterable[str], result: str = "ok") -> None:
    """Append one operation.

    + names: the secrets, keys or providers that it was about; never a value
    + result: "ok", or the failure

    Raises OSError if the line cannot be written: no operation succeeds unnoticed.
    """
    entry = {"time": now(), "who": who(), "action": action, "names": sorted(names)}
    with alone_with(places.audit), places.audit.open("a+b") as file:
        file.seek(0)
        lines = file.read().splitlines()
        entry |= {"result": result, "after": _digest(lines[-1]) if lines else BEGIN}
        file.write(json.dumps(entry, ensure_ascii=False).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def lines(path: Path, as_json: bool) -> Iterator[str]:
    """The entries for printing: as JSON lines, or as lines for people."""
    for line in _lines(path):
        text = line.decode(errors="replace")
        if as_json:
            yield text
            continue
        try:
            entry = json.loads(text)
            names = " ".join(entry["names"])
            yield f"{entry['time']}  {entry['who']}  {entry['action']} {names}: {entry['result']}"
        except (ValueError, KeyError, TypeError):
            yield f"damaged: {text}"


def mark(path: Path) -> Mark:
    """The end of the chain."""
    lines = _lines(path)
    return Mark(len(lines), _digest(lines[-1])) if lines else Mark()


def check(path: Path, noted: Mark | None = None) -> Verdict:
    """Whether the chain is sound, and reaches at least as far as was `noted`."""
    last, lines = BEGIN, _lines(path)
    for number, line in enumerate(lines, 1):
        try:
            after = json.loads(line)["after"]
        except (ValueError, KeyError, TypeError):
            return Verdict(number - 1, f"line {number} is no entry: it was damaged or edited")
        if after != last:
            change = f"line {number - 1} was edited or removed" if number > 1 else "it was cut off"
            return Verdict(max(0, number - 2), f"line {number} does not follow: {change}")
        last = _digest(line)
        if noted and number == noted.lines and last != noted.last:
            return Verdict(number - 1, f"line {number} is not the one that the vault has noted")
    if noted and len(lines) < noted.lines:
        cause = (
            f"the vault has noted {noted.lines} lines, and there are {len(lines)}: its end is cut"
        )
        return Verdict(len(lines), cause)
    return Verdict(len(lines))


def _lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines() if path.exists() else []


def _digest(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()
