"""What the look at a host has seen, of what ``shipped/host/servers.py`` prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from llmrack.components.gpu.gpus import Gpus
from llmrack.components.ollama.models_seen import model_name

OLLAMA = "ollama"
ROOT = "root"


@dataclass(frozen=True)
class Published:
    """A port of a container, and where its host publishes it.

    + address: of the host; empty for all of them
    """

    inner: int
    address: str
    port: int


@dataclass(frozen=True)
class Container:
    """A container.

    + runtime: docker or podman; empty if it could not be asked
    + owner: who runs it without root; empty for root
    + restarts: its restart policy
    + unit: the unit of systemd that starts it, if Podman says so
    + compose: the compose file that made it
    + config: LiteLLM's configuration, as its container knows it
    """

    runtime: str
    name: str
    owner: str = ""
    image: str = ""
    restarts: str = ""
    unit: str = ""
    compose: str = ""
    published: tuple[Published, ...] = ()
    is_on_host_network: bool = False
    config: str = ""


@dataclass(frozen=True)
class Caller:
    """Who is connected to a server.

    + container: the name of the container at that address
    """

    address: str
    connections: int
    pid: int = 0
    program: str = ""
    unit: str = ""
    user: str = ""
    container: str = ""

    @property
    def is_local(self) -> bool:
        """Whether it is a process or a container of the host itself."""
        return bool(self.pid or self.container) or self.address in ("127.0.0.1", "::1")

    def __str__(self) -> str:
        name = self.address
        if self.container:
            name = f"the container {self.container}"
        elif self.pid:
            about = ", ".join(filter(None, (f"process {self.pid}", self.unit, f"user {self.user}")))
            name = f"{self.program} ({about})"
        return f"{name}, {self.connections} connections" if self.connections > 1 else name


@dataclass(frozen=True)
class ModelFiles:
    """A model that an Ollama has.

    + size: in bytes
    + families: Ollama's words for its architecture
    + capabilities: Ollama's words for what it can do; None if the server did not answer
    + is_remote: whether ollama.com runs it
    """

    size: int
    families: tuple[str, ...] = ()
    capabilities: tuple[str, ...] | None = None
    is_remote: bool = False


@dataclass(frozen=True)
class Models:
    """The models of an Ollama, and their folder.

    + by_name: models by their full names
    + folder: on the host; empty if they are in a container alone
    + inner_folder: as the server itself knows it
    + closed: the first folder on the way that only its owner may enter; empty if there is none
    + mount: where the folder's filesystem is mounted
    + is_beside: whether hard links to the folder can be made below /var/lib
    """

    by_name: Mapping[str, ModelFiles] = field(default_factory=dict)
    folder: str = ""
    inner_folder: str = ""
    closed: str = ""
    mount: str = "/"
    is_beside: bool = False

    @property
    def size(self) -> int:
        """Bytes of all models."""
        return sum(model.size for model in self.by_name.values())


@dataclass(frozen=True)
class Server:
    """A server of models, or one in front of them, that somebody else installed.

    + program: ollama, or a name for a person
    + pid: 0 if it does not run
    + user: who it runs as, or would
    + unit: the unit of systemd that starts it; empty without one
    + owner: the user whose manager has the unit; empty for the system's
    + files: of the unit
    + config: LiteLLM's configuration on the host; empty if that has none
    + listens: addresses and ports
    + environment: the variables of Ollama's that are set
    + names: the names of all other variables
    """

    program: str
    pid: int = 0
    user: str = ""
    unit: str = ""
    owner: str = ""
    active: str = ""
    enabled: str = ""
    files: tuple[str, ...] = ()
    container: Container | None = None
    config: str = ""
    listens: tuple[tuple[str, int], ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    # Of Ollama alone:
    home: str = ""
    version: str = ""
    models: Models = Models()
    callers: tuple[Caller, ...] = ()

    @property
    def runs(self) -> bool:
        """Whether it runs."""
        return self.active == "active"

    @property
    def reached_at(self) -> tuple[str, int] | None:
        """Address and port of the host at which it is reached; None if it is not."""
        if self.container and not self.container.is_on_host_network:
            first = next(iter(self.container.published), None)
            return (first.address or "0.0.0.0", first.port) if first else None  # noqa: S104
        return next(iter(self.listens), None)

    @property
    def comes_back(self) -> bool:
        """Whether it starts when the host boots."""
        if self.container:
            return self.container.restarts not in ("", "no")
        return self.enabled in ("enabled", "enabled-runtime")

    @property
    def label(self) -> str:
        """A name for it in messages, as in ``ollama.service`` or ``docker:ollama``."""
        if self.container:
            return f"{self.container.runtime or 'container'}:{self.container.name}"
        return self.unit or f"process {self.pid}"

    @property
    def replaced(self) -> str:
        """The entry of the setting ``replaces`` that stops it; empty if none does."""
        if self.owner:
            return ""
        if self.container:
            return self.container.unit or (self.label if self.container.runtime else "")
        return self.unit


@dataclass(frozen=True)
class HostSeen:
    """What a look has seen of a host.

    + system: its distribution and its architecture, for a person
    + llmrack: the version of llmrack that has deployed it; empty if none has
    + refusals: why a deploy would change nothing there, each with a way out after a colon
    """

    system: str
    gpus: Gpus
    servers: tuple[Server, ...] = ()
    llmrack: str = ""
    refusals: tuple[str, ...] = ()

    @property
    def ollamas(self) -> list[Server]:
        """All of Ollama: those that run first, then those with more models.

        One that llmrack has replaced does not count.
        """
        ollamas = [
            server
            for server in self.servers
            if server.program == OLLAMA and (server.runs or not self.llmrack)
        ]
        return sorted(ollamas, key=lambda server: (not server.runs, -len(server.models.by_name)))

    @property
    def others(self) -> list[Server]:
        """All other servers."""
        return [server for server in self.servers if server.program != OLLAMA]


def servers_of(answer: Mapping[str, Any]) -> tuple[Server, ...]:
    """The servers in the output of ``shipped/host/servers.py``."""
    return tuple(_server(entry) for entry in answer["servers"])


def _server(entry: Mapping[str, Any]) -> Server:
    plain = {
        name: entry[name]
        for name in ("program", "pid", "user", "unit", "owner", "active", "enabled", "config")
    }
    box = entry["container"]
    return Server(
        **plain,
        files=tuple(entry["files"]),
        container=_container(box, entry["owner"]) if box else None,
        listens=tuple((address, port) for address, port in entry["listens"]),
        environment=entry["environment"],
        names=tuple(entry["names"]),
        home=entry.get("home", ""),
        version=entry.get("version", ""),
        models=_models(entry) if "inner_folder" in entry else Models(),
        callers=tuple(Caller(**caller) for caller in entry.get("callers", ())),
    )


def _container(box: Mapping[str, Any], owner: str) -> Container:
    ports = tuple(Published(*port) for port in box.get("published", ()))
    return Container(**{**box, "published": ports, "owner": owner})


def _models(entry: Mapping[str, Any]) -> Models:
    """The models on disk, with what the server itself says of them."""
    models = {
        model_name(path): ModelFiles(
            about["size"], tuple(about["families"]), None, about["is_remote"]
        )
        for path, about in entry["models"].items()
    }
    for name, listed in entry["listed"].items():
        known = models.get(name, ModelFiles(0))
        words = listed["capabilities"]
        models[name] = ModelFiles(
            listed["size"] or known.size,
            known.families,
            tuple(words) if isinstance(words, list) else None,
            known.is_remote or listed["is_remote"],
        )
    place = entry["place"] or {}
    return Models(models, entry["folder"], entry["inner_folder"], **place)
