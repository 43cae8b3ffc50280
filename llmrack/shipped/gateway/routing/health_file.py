"""The file health.json with the state of the instances.

It is rewritten whenever an instance is put aside or is back, in a thread of its own, so that no
request waits for it. It is in the unit's runtime directory. While one release follows another, both
share that directory, and the newer process writes the file.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .health import LOG, Instance, Resting

FILE = "health.json"


class HealthFile:
    """The file for ``instances``.

    + folder: the folder of the file (RUNTIME_DIRECTORY); None: no file, as for a candidate
    """

    def __init__(self, instances: Mapping[str, Instance], folder: str | None) -> None:
        """Write the file, in place of an older process's."""
        self._instances = instances
        self._file = Path(folder) / FILE if folder else None
        self._started = time.time()
        self._due = False
        self._task: asyncio.Task[None] | None = None
        if self._file:
            for instance in instances.values():
                instance.changed = self._changed
            _write(self._file, self._text(), self._started)

    def _changed(self) -> None:
        """Have the file written; several changes at a time are written once."""
        self._due = True
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._rewrite())

    async def _rewrite(self) -> None:
        while self._due and self._file:
            self._due = False
            await asyncio.to_thread(_write, self._file, self._text(), self._started)

    def _text(self) -> str:
        instances = {
            name: {
                "rest": _rest(instance),
                "models": {
                    upstream: _rest(model)
                    for upstream, model in instance.models.items()
                    if model.rest
                },
            }
            for name, instance in self._instances.items()
        }
        return json.dumps({"pid": os.getpid(), "started": self._started, "instances": instances})


def _rest(resting: Resting) -> dict[str, Any] | None:
    """Since when (seconds since 1970) it rests, and why; None if it does not."""
    rest = resting.rest
    if rest is None:
        return None
    return {"since": time.time() - (time.monotonic() - rest.since), "why": rest.why}


def _write(file: Path, text: str, started: float) -> None:
    """Replace the file, unless a newer process that still runs has written it."""
    try:
        if _newer(file, started):
            return
        beside = file.with_name(f"{file.name}.{os.getpid()}")
        beside.write_text(text, encoding="utf-8")
        beside.replace(file)
    except OSError as error:
        LOG.error("%s cannot be written: %s", file, error)


def _newer(file: Path, started: float) -> bool:
    try:
        written = json.loads(file.read_text(encoding="utf-8"))
        return bool(written["started"] > started) and Path(f"/proc/{written['pid']}").exists()
    except (OSError, ValueError, KeyError, TypeError):
        return False
