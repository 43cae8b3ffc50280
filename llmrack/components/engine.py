"""The interface of an engine: a server program that llmrack installs and that runs models."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from llmrack.resources.change import Resource, Shell
from llmrack.resources.look import Look, Part, Seen
from llmrack.stack.fleet import Fleet, Host
from llmrack.stack.instances import EngineModel
from llmrack.stack.schema import Stack


@dataclass(frozen=True)
class ModelSeen:
    """A model in the models directory.

    + digest: SHA-256 of its manifest, in hex
    + size: bytes of its layers
    + damaged: blobs that are missing or have another size: SHA-256 in hex, and the right size
    """

    digest: str
    size: int = 0
    damaged: tuple[tuple[str, int], ...] = ()


class Switch(Resource, Protocol):
    """The release, units and environment of an engine on a host: changed and restored together."""

    @property
    def parts(self) -> Sequence[str]:
        """Names of the resources that change together."""

    @property
    def instances(self) -> Mapping[str, str]:
        """The unit of each instance, by the name of its resource."""

    @property
    def compared(self) -> str:
        """Name of the resource that is looked at again after each restart."""

    def serves(self, seen: Seen) -> bool:
        """Whether a change would restart or stop something that runs."""

    def is_unproven(self, seen: Seen) -> bool:
        """Whether an earlier run made a change and did not prove it."""

    @property
    def keep(self) -> Shell:
        """Keep the present state, before a change."""

    @property
    def forget(self) -> Shell:
        """Forget the state that was kept: the change is proven."""

    def back(self, seen: Seen) -> Shell:
        """Bring back the state that was kept. ``seen`` is the look from before the change."""

    def previous(self, seen: Seen) -> str:
        """The release that ``back`` returns to, for people."""

    def stands(self, unit: str, url: str) -> Shell:
        """Fails when an instance that has answered ends or stops answering soon after."""

    def tells(self, unit: str) -> Shell:
        """Fails with the end of an instance's journal."""


class Engine(ABC):
    """A server program that llmrack installs and that runs models.

    Requests to it are made in ``llmrack/verify/engines.py``; components send none.

    + name: of the engine, of its component and of its providers' kind
    + title: its name for people
    + port_setting: the setting that declares where its instances listen
    """

    name: ClassVar[str]
    title: ClassVar[str]
    port_setting: ClassVar[str]

    @abstractmethod
    def architectures(self, host: Host) -> Collection[str]:
        """The architectures that the declared release exists for: ``amd64``, ``arm64``."""

    @abstractmethod
    def resources(self, stack: Stack, fleet: Fleet, host: Host, arch: str) -> list[Resource]:
        """The resources of a host that runs it; on other hosts, those that remove its instances.

        + arch: ``amd64`` or ``arm64``
        """

    @abstractmethod
    def removals(self, host: Host) -> list[Resource]:
        """The resources that a removal takes from a host, whatever is declared at present."""

    @abstractmethod
    def models(self, stack: Stack, host: Host) -> list[EngineModel]:
        """The models that its instances on ``host`` must have."""

    @abstractmethod
    def full_name(self, model: str) -> str:
        """A model's name as ``models`` has it."""

    @abstractmethod
    def unit(self, instance: str) -> str:
        """The user unit of the instance called ``instance``: a drill stops or freezes it."""

    @abstractmethod
    def releases_folder(self, host: Host) -> str:
        """Where ``host`` keeps its releases: folders ``VERSION-DIGEST``, and the link ``current``.

        The folder has the engine's name (``templates/deploy/list-releases.sh`` relies on it).
        """

    @abstractmethod
    def home_folders(self, host: Host) -> list[str]:
        """Folders of the service user that it needs."""

    @abstractmethod
    def models_folder(self, host: Host) -> str:
        """The folder with its models, which may lie on a filesystem of its own."""

    @abstractmethod
    def models_part(self, folder: str) -> Part:
        """What the look asks about such a folder."""

    @abstractmethod
    def models_seen(self, seen: Seen) -> Mapping[str, ModelSeen]:
        """The models that were seen there, by their full names; empty if the look did not ask."""

    @abstractmethod
    def look(self, host: Host, look: Look) -> None:
        """Add to ``look`` what ``unusable`` and ``notes`` need to see of a host that runs it."""

    @abstractmethod
    def lacks_release(self, host: Host, arch: str) -> str | None:
        """Why there is no release for a host of this architecture, or None."""

    @abstractmethod
    def unusable(self, host: Host, seen: Seen) -> str | None:
        """Why it cannot run on a host as declared, or None."""

    @abstractmethod
    def notes(self, host: Host, seen: Seen) -> list[str]:
        """Remarks about it on a host that is accepted."""

    @abstractmethod
    def batch(self, host: Host) -> int:
        """How many hosts may restart it at a time once one has passed its gate."""

    @abstractmethod
    def switch(self, resources: Collection[Resource]) -> Switch | None:
        """The switch among the resources of a host; None if the engine does not run there."""
