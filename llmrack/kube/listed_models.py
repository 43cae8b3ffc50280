"""Exact names of models, checked against the providers' own lists before anything is changed.

The requests come from this machine: before the first deploy nobody else has the keys.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import httpx

from llmrack.hosts.authorities import tls_of
from llmrack.hosts.provider_requests import NotAnswered, Reach, Talk
from llmrack.kube.cluster import Cluster
from llmrack.problems import Problem
from llmrack.secrets.value import Secret
from llmrack.stack.model_lists import Server, not_listed, servers, with_lists
from llmrack.stack.proxy import Proxy


class FromHere(Reach):
    """How this machine reaches providers: by its own names, authorities and proxies."""

    def __init__(self, secrets: Mapping[str, Secret]) -> None:
        self._secrets = secrets

    @contextmanager
    def talk(self, server: Server) -> Iterator[Talk]:
        """Requests to one server, over one connection."""
        tls = tls_of(server.declared, None) or ssl.create_default_context()
        with httpx.Client(verify=tls) as client:
            yield Talk(self, server, client)

    def proxy_to(self, url: str) -> Proxy | None:
        """None: httpx finds this machine's own."""
        return None

    def finds(self, name: str) -> bool:
        """Whether this machine finds an address for ``name``."""
        try:
            return bool(socket.getaddrinfo(name, None))
        except OSError:
            return False


def problems_of_names(cluster: Cluster, say: Callable[[str], None]) -> list[Problem]:
    """A problem for each declared model that its provider does not list.

    + say: is told who gives no list; the proof will show more of those
    """
    site, problems = cluster.site, list[Problem]()
    reach = FromHere(cluster.secrets)
    for name in with_lists(site.stack):
        for server in servers(site.stack, site.fleet, cluster.gateway, name):
            try:
                with reach.talk(server) as talk:
                    found = set(talk.models())
            except NotAnswered as error:
                say(
                    f"provider {name!r} gives no list of its models here, so names are not "
                    f"checked: {error}"
                )
                continue
            problems += not_listed(site.declaration, server, found, "here")
    return problems
