"""Instances that get no new requests for a while, because a deploy is about to restart them.

The deploy writes a file for each such instance into ``drain`` of the unit's runtime directory. The
file's name is the instance's, quoted as in a URL; it holds the end of the drain in seconds of
/proc/uptime, which cannot be set, so that a deploy that died has no effect later. Each process of
the gateway answers in ``drained/PID`` with a line for each instance: its name, its running
requests, and whether it is ``well`` or ``resting``.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, unquote

from .health import LOG, Instance

# Seconds between looks.
POLL = 0.25
UPTIME = Path("/proc/uptime")


class Drains:
    """Which of ``instances`` are drained.

    + folder: the unit's runtime directory (RUNTIME_DIRECTORY); None: nothing is ever drained
    """

    def __init__(self, instances: Mapping[str, Instance], folder: str | None) -> None:
        """Remove the answer of an earlier process with the same PID."""
        self._instances = instances
        self._folder = Path(folder) if folder else None
        self._told = ""
        if self._folder:
            (self._folder / "drained" / str(os.getpid())).unlink(missing_ok=True)

    async def run(self) -> None:
        """Look until cancelled."""
        while self._folder:
            try:
                self.look(self._folder)
            except OSError as error:
                LOG.error("nobody can be drained: %s", error)
            await asyncio.sleep(POLL)

    def look(self, folder: Path) -> None:
        """Read the deploy's files, and answer."""
        named, lines = _named(folder / "drain"), []
        for name, instance in self._instances.items():
            before, instance.drained = instance.drained, name in named
            if before != instance.drained:
                LOG.info("%s gets %s", name, "requests again" if before else "no new requests")
            # One look later, every request that was routed before has begun.
            elif before:
                running = sum(model.running for model in instance.models.values())
                state = "resting" if instance.rest else "well"
                lines.append(f"{quote(name, safe='')} {running} {state}\n")
        self._tell(folder / "drained" / str(os.getpid()), "".join(lines))

    def _tell(self, file: Path, text: str) -> None:
        if text == self._told:
            return
        if text:
            file.parent.mkdir(exist_ok=True)
            beside = file.with_name(f"{file.name}.new")
            beside.write_text(text, encoding="ascii")
            beside.replace(file)
        else:
            file.unlink(missing_ok=True)
        self._told = text


def _named(folder: Path) -> set[str]:
    """The names of the instances whose drain has not ended."""
    names = set()
    for file in folder.iterdir() if folder.exists() else ():
        try:
            until = float(file.read_text(encoding="ascii"))
        except (OSError, ValueError):
            # The file is removed, or none of ours.
            continue
        if until > float(UPTIME.read_text(encoding="ascii").split()[0]):
            names.add(unquote(file.name))
    return names
