"""Instances that come and go with their names: the pods of a cluster.

A pod has a name while it is ready (a headless Service). One that is about to end loses it first,
and answers for some seconds yet; it gets no new requests then, and nothing is wrong with it. Nor is
anything with one that is not there because its set was scaled down.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from pathlib import Path

from .health import LOG, Instance

# Seconds between looks. Kubernetes lets the answers of its DNS be kept for 5 s more.
POLL = 2.0
# The answers that say that there is no such name. Others say that nobody could be asked.
_NO_NAME = (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))


RESOLVER = Path("/etc/resolv.conf")


def whole_name(host: str, resolver: str) -> str:
    """The name of a pod or a Service (``….svc``) with the cluster's domain, which ends it.

    Other names that the search list makes would be asked for, too, some of them outside: that they
    are not there is something that nobody may be able to say.

    + resolver: the content of a pod's /etc/resolv.conf, which searches in ``svc.`` and the domain
    """
    for line in resolver.splitlines():
        for domain in line.split()[1:] if line.startswith("search ") else ():
            if domain.startswith("svc.") and host.endswith(".svc"):
                return f"{host}{domain.removeprefix('svc')}."
    return host


class Presence:
    """Which of ``instances`` are there.

    + hosts: the host name of each one that comes and goes, by the instance's name
    """

    def __init__(self, instances: Mapping[str, Instance], hosts: Mapping[str, str]) -> None:
        self._instances = instances
        resolver = RESOLVER.read_text() if hosts else ""
        self._hosts = {name: whole_name(host, resolver) for name, host in hosts.items()}

    async def run(self) -> None:
        """Look until cancelled."""
        while self._hosts:
            try:
                await self.look()
            except Exception as error:
                LOG.error("names cannot be looked up: %s", type(error).__name__)
            await asyncio.sleep(POLL)

    async def look(self) -> None:
        """Look all names up, at once."""
        await asyncio.gather(*(self._look(name, host) for name, host in self._hosts.items()))

    async def _look(self, name: str, host: str) -> None:
        instance = self._instances[name]
        loop = asyncio.get_running_loop()
        try:
            await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            absent = False
        except socket.gaierror as error:
            if error.errno not in _NO_NAME:
                return
            absent = True
        except OSError:
            return
        if absent != instance.absent:
            LOG.info("%s %s", name, "is not there" if absent else "is there")
            instance.absent = absent
            # What was wrong with it was of a pod that is no more.
            for resting in (instance, *instance.models.values()):
                resting.wake(name)
