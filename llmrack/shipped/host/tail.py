"""Prints the lines of a gateway's log of requests as they are written, until the reader is gone.

It is sent to hosts: Python 3.10 and its standard library.
"""

from __future__ import annotations

import json
import os
import select
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from llmrack.shipped.host.lines import beginning, files, opened

# Seconds between looks at the file, and between signs of life.
POLL, BEAT = 0.2, 5.0
# Seconds without an answer to a sign of life after which the reader counts as gone.
SILENCE = 30.0


class Following:
    """The lines of a growing log, also after it is renamed for a new file.

    + since: the time after which lines are wanted; None: from now on
    """

    def __init__(self, folder: str, since: str | None) -> None:
        self._path = Path(folder) / "requests.jsonl"
        self._since = since or ""
        self._files: list[BinaryIO] = []
        if since:
            self._files = list(files(folder, "requests", since))
            for file in self._files:
                file.seek(beginning(file, since))
        elif file_now := opened(self._path):
            file_now.seek(0, os.SEEK_END)
            self._files = [file_now]

    def new(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """The complete lines since the last call, as text and parsed."""
        current = opened(self._path)
        if current:
            if any(os.path.sameopenfile(current.fileno(), file.fileno()) for file in self._files):
                current.close()
            else:
                self._files.append(current)
        for file in self._files:
            yield from self._rest(file)
        # A line may still be written to the file before this one.
        for file in self._files[:-2]:
            file.close()
        del self._files[:-2]

    def _rest(self, file: BinaryIO) -> Iterator[tuple[str, dict[str, Any]]]:
        for text in iter(file.readline, b""):
            if not text.endswith(b"\n"):
                # The rest of it is being written.
                file.seek(-len(text), os.SEEK_CUR)
                return
            with suppress(ValueError, KeyError, TypeError):
                whole = text.decode(errors="replace")
                line = json.loads(whole)
                if line["time"] > self._since:
                    yield whole, line


class Filters(NamedTuple):
    """Which requests are shown: those that pass all given filters.

    + model: the name that was asked for, or of the model that answered
    + key: the name of the client's key
    + provider: the name of the provider that answered
    + errors: only requests with a failed attempt, and failed requests
    + slow: seconds that a request takes at least
    """

    model: str | None = None
    key: str | None = None
    provider: str | None = None
    errors: bool = False
    slow: float | None = None


def wanted(line: Mapping[str, Any], filters: Filters) -> bool:
    """Whether a line passes all filters."""
    model, key, provider, errors, slow = filters
    get = line.get
    failed = get("error") or get("attempts") or (get("status") or 0) >= 400
    return (
        (model is None or model in (get("model"), get("served")))
        and (key is None or key == get("key"))
        and (provider is None or provider == get("provider"))
        and bool(failed or not errors)
        and (slow is None or (get("duration") or 0) >= slow)
    )


def main(folder: str, since: str | None, filters: list[Any]) -> None:
    """Print the lines that pass; an empty line is a sign of life, which the reader returns.

    + filters: the values of ``Filters``
    """
    out = sys.stdout.buffer
    following = Following(folder, since)
    threading.Thread(target=_end_with_the_connection, args=(out,), daemon=True).start()
    begun = False
    # The reader may be gone.
    with suppress(BrokenPipeError):
        while True:
            for text, line in following.new():
                # A line may hold anything.
                with suppress(TypeError):
                    if wanted(line, Filters(*filters)):
                        out.write(text.encode())
            if not begun:
                # All earlier lines are printed.
                out.write(b"\n")
                begun = True
            out.flush()
            time.sleep(POLL)
    os._exit(0)


def _end_with_the_connection(out: BinaryIO) -> None:
    heard = time.monotonic()
    with suppress(BrokenPipeError):
        while time.monotonic() - heard < SILENCE:
            if select.select([0], [], [], BEAT)[0]:
                if not os.read(0, 4096):
                    break
                heard = time.monotonic()
            else:
                out.write(b"\n")
                out.flush()
    # Also while the other thread waits for a reader.
    os._exit(0)
