"""Instances that get no new requests for a while, because a deploy is about to restart them.

The deploy says so by files in ``drain`` of the unit's runtime directory, one an instance: its name,
quoted as in a URL, and in it until when, in seconds of /proc/uptime, which nobody sets. So a deploy
that died is forgotten. In ``drained/PID`` each process of the gateway answers with a line an
instance: its name, how many requests run there, and whether it is ``well`` or ``resting``.
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

    + folder: where it is said; None: nobody says so (systemd sets RUNTIME_DIRECTORY)
    """

    def __init__(self, instances: Mapping[str, Instance], folder: str | None) -> None:
        """Forget what another process with this number has told."""
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
        """Take over what is said, and answer."""
        named, lines = _named(folder / "drain"), []
        for name, instance in self._instances.items():
            before, instance.drained = instance.drained, name in named
            if before != instance.drained:
                LOG.info("%s gets %s", name, "requests again" if before else "no new requests")
            # One look later, whoever was chosen before has begun.
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
    """The names that are said, and hold still."""
    names = set()
    for file in folder.iterdir() if folder.exists() else ():
        try:
            until = float(file.read_text(encoding="ascii"))
        except (OSError, ValueError):
            # It is gone, or none of ours.
            continue
        if until > float(UPTIME.read_text(encoding="ascii").split()[0]):
            names.add(unquote(file.name))
    return names
