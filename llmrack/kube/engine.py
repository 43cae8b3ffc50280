"""The interface of every engine in a cluster: what its pods run, and how they are asked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import httpx

from llmrack.observe.status.server_status import Loaded
from llmrack.site.site import Site
from llmrack.stack.fleet import Host

# Where a pod has the files of `PodEngine.files`, and its claim.
FILES, CLAIM = "/etc/llmrack/engine", "/var/lib/llmrack"


@dataclass(frozen=True)
class Answered:
    """What a server says of itself: its version, and the models in its memory."""

    version: str
    loaded: tuple[Loaded, ...]


class PodEngine(ABC):
    """An engine. Its pods are hosts of the fleet; all pods of a set are alike.

    + kind: of its providers
    + load, serve: the commands of the container that gets the models, and of the server
    + alive: the path that answers while the server runs; it asks no model
    + ready: the command that fails unless every declared model is there
    """

    kind: ClassVar[str]
    load: ClassVar[Sequence[str]]
    serve: ClassVar[Sequence[str]]
    alive: ClassVar[str]
    ready: ClassVar[Sequence[str]]

    @abstractmethod
    def settings(self, version: str | None, with_gpus: bool) -> dict[str, Any]:
        """The settings of its pods, as of hosts.

        + version: that of its image; None if it is not known
        """

    @abstractmethod
    def problems(self, site: Site, pod: Host) -> Iterator[tuple[str, str]]:
        """Cause and way out of everything that a pod cannot be."""

    @abstractmethod
    def files(self, site: Site, pod: Host) -> Mapping[str, str]:
        """What lies in FILES, by name; its containers find there which models are declared."""

    @abstractmethod
    def environment(self, pod: Host) -> Mapping[str, str]:
        """The variables of its containers; no secrets."""

    @abstractmethod
    def port(self, pod: Host) -> int:
        """Where it answers."""

    @abstractmethod
    def ask(self, client: httpx.Client) -> Answered:
        """Ask a server. Raises what httpx raises, and ValueError for an answer of another form.

        + client: with the server's address as ``base_url``
        """
