"""The interface of every engine's proof: requests to one instance, and their results."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import httpx

from llmrack.stack.fleet import Host
from llmrack.stack.instances import EngineModel, Instance, instance_name
from llmrack.stack.schema import Stack
from llmrack.verify.results import Result

# Returns the lines with one of these words in an instance's journal since its start.
Journal = Callable[[Sequence[str]], list[str]]


@dataclass(frozen=True)
class EngineProof(ABC):
    """The proof of one instance.

    It is apart from the engine's class in ``llmrack/components``, which must not import httpx: a
    run that changes nothing needs no requests.

    + client: with the instance's address as ``base_url``
    """

    client: httpx.Client
    stack: Stack
    host: Host
    instance: Instance

    @property
    def name(self) -> str:
        """The instance, as reports call it."""
        return instance_name(self.host, self.instance)

    @abstractmethod
    def loaded(self) -> set[str]:
        """The names of its loaded models; none if it does not answer."""

    @abstractmethod
    def gate(self, models: Sequence[EngineModel]) -> list[Result]:
        """The results for an instance that was restarted.

        + models: the instance's models; each is served under some public name
        """

    @abstractmethod
    def proof(self, journal: Journal, progress: Callable[[str], None]) -> list[Result]:
        """The results for the declared version and models, and for where the models are loaded.

        + progress: is called with a text before each step
        """
