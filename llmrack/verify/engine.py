"""What every engine's proof gives: requests to one instance, and what they found."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import httpx

from llmrack.stack.fleet import Host
from llmrack.stack.instances import EngineModel, Instance, instance_name
from llmrack.stack.schema import Stack
from llmrack.verify.results import Result

# Lines of an instance's journal since it was started that have one of these words in them.
Journal = Callable[[Sequence[str]], list[str]]


@dataclass(frozen=True)
class EngineProof(ABC):
    """One instance that is asked.

    It stands apart from the engine's class in ``llmrack/components``, which must not import what
    makes requests: a run that changes nothing does without httpx.

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
        """The names of the models that it has loaded; none where it does not say so."""

    @abstractmethod
    def gate(self, models: Sequence[EngineModel]) -> list[Result]:
        """Whether it serves as before, after it was started anew.

        + models: that it has; each is served under some public name
        """

    @abstractmethod
    def proof(self, journal: Journal, progress: Callable[[str], None]) -> list[Result]:
        """Whether it is what is declared, and whether its models are where they belong.

        + progress: is told what is done next
        """
