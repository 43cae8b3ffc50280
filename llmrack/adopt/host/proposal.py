"""What is proposed for a host: settings, a stack with its models, and notes on all the rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError

from llmrack.adopt.host import addresses, variables
from llmrack.adopt.host.seen import HostSeen, ModelFiles, Server
from llmrack.adopt.host.takeover import takeover
from llmrack.adopt.notes import Notes
from llmrack.components.gpu.gpus import Gpus, grouped
from llmrack.components.gpu.states import State
from llmrack.stack.fleet import bracketed
from llmrack.stack.settings import Settings, is_loopback
from llmrack.stack.types import ModelName
from llmrack.verify.model_descriptions import capabilities_of

PROVIDER = "local"
_NAMES: TypeAdapter[str] = TypeAdapter(ModelName)
# Architectures of embedding models; their names do not all say it.
_EMBEDDING_FAMILIES = ("bert", "nomic-bert", "nomic-bert-moe", "xlm-roberta")
_SERVERS_WITH_MODELS = {"vLLM": "vllm", "llama.cpp": "openai-compatible"}
_VERSION, _GATEWAY_PORT = Settings().ollama_version, Settings().gateway_port


@dataclass(frozen=True)
class Proposal:
    """What llmrack declares in place of what runs on a host.

    + settings: of the host, in the inventory
    + stack: the content of ``stack.yaml``; empty if the host has no models
    + before: what root has to run on the host before the deploy, a line each
    + notes: what became of each part
    """

    notes: Notes
    settings: dict[str, Any] = field(default_factory=dict)
    stack: dict[str, Any] = field(default_factory=dict)
    before: tuple[str, ...] = ()


def propose(name: str, host: HostSeen) -> Proposal:
    """The declaration for a host; nothing is changed there.

    + name: the host's in messages
    """
    notes = Notes(name, {})
    settings: dict[str, Any] = {}
    for reason in host.refusals:
        cause, _, way_out = reason.partition(": ")
        notes.lost(("deploy",), f"would be refused: {cause}", way_out or "see docs/hosts.md")
    if not host.llmrack:
        settings |= _cards(host.gpus, notes)
    stack: dict[str, Any] = {}
    commands: list[str] = []
    for number, server in enumerate(host.ollamas):
        if number:
            _note_second(server, host.ollamas[0], notes)
            continue
        taken = takeover(server, notes)
        settings |= taken.settings
        commands += taken.commands
        settings |= addresses.settings_of(server, notes)
        settings |= variables.settings_of(server, notes)
        _note_context(server, notes)
        _note_version(server, notes)
        stack = _stack(server, notes)
    if not is_loopback(settings.get("ollama_bind", "127.0.0.1")):
        settings["gateway_bind"] = settings["ollama_bind"]
        text = f"gateway_bind {settings['gateway_bind']!r}: clients elsewhere reach it, with a key"
        notes.taken((host.ollamas[0].label, "callers"), text)
    replaced, stops = _old_services(host, notes)
    if replaced:
        settings["replaces"] = replaced
    for server in host.others:
        _note_other(server, notes)
    return Proposal(notes, settings, stack, (*commands, *stops))


def _cards(gpus: Gpus, notes: Notes) -> dict[str, Any]:
    if gpus.state is State.NONE:
        notes.taken(("gpus",), "gpu_required False: the host serves from its CPU")
        return {"gpu_required": False}
    if gpus.state is not State.FINE:
        notes.lost(("gpus",), gpus.finding.why, gpus.finding.way_out)
    return {}


def _note_second(server: Server, first: Server, notes: Notes) -> None:
    others = server.models.by_name.keys() - first.models.by_name.keys()
    path = (server.label, "models")
    if not others:
        notes.left_out(path, f"{first.label} has them, too")
        return
    cause = f"llmrack runs one Ollama, that of {first.label}: not {', '.join(sorted(others))}"
    notes.lost(path, cause, "add those that shall be pulled to stack.yaml")


def _note_context(server: Server, notes: Notes) -> None:
    if "OLLAMA_CONTEXT_LENGTH" not in server.environment:
        length = Settings().ollama_environment.OLLAMA_CONTEXT_LENGTH
        cause = f"was not set, and Ollama chose it by the card's memory; llmrack sets {length}"
        way_out = "set it in ollama_environment if clients send longer prompts"
        path = (server.label, "OLLAMA_CONTEXT_LENGTH")
        notes.left_out(path, cause.replace("; ", ", "), way_out)


def _note_version(server: Server, notes: Notes) -> None:
    if not server.version:
        return
    path = (server.label, "version")
    if _numbers(server.version) > _numbers(_VERSION):
        cause = f"{server.version} is later than the {_VERSION} that llmrack installs"
        notes.lost(path, cause, f"run `llmrack pin ollama {server.version}`")
    else:
        notes.left_out(path, f"llmrack installs {_VERSION} in place of {server.version}")


def _numbers(version: str) -> tuple[int, ...]:
    parts = version.partition("-")[0].split(".")
    return tuple(int(part) for part in parts if part.isdigit())


def _stack(server: Server, notes: Notes) -> dict[str, Any]:
    """The models that are there, as those of a provider on our own hosts."""
    models: dict[str, Any] = {}
    for name, about in sorted(server.models.by_name.items()):
        path = (server.label, "models", name)
        if about.is_remote:
            way_out = "declare it at a provider of kind ollama-cloud, with a key"
            notes.lost(path, "ollama.com runs it, and llmrack's Ollama does not ask there", way_out)
            continue
        public = name.removesuffix(":latest")
        try:
            _NAMES.validate_python(public)
        except ValidationError:
            way_out = "give it another one with `ollama cp`"
            notes.lost(path, "is no name that llmrack can serve", way_out)
            continue
        models[public] = {"provider": PROVIDER}
        capabilities = _capabilities(name, about)
        if capabilities != ["chat"]:
            models[public]["capabilities"] = capabilities
        notes.taken(path, f"models.{public}: {', '.join(capabilities)}")
    if not models:
        return {}
    return {"providers": {PROVIDER: {"kind": "ollama", "group": "gpu"}}, "models": models}


def _capabilities(name: str, about: ModelFiles) -> list[str]:
    listed = capabilities_of({"capabilities": list(about.capabilities or ())})
    if listed is None:
        is_embedding = any(family in _EMBEDDING_FAMILIES for family in about.families)
        return ["embedding"] if is_embedding or "embed" in name.lower() else ["chat"]
    # A model has one kind of answer.
    if "embedding" in listed:
        return ["embedding"]
    return list(dict.fromkeys(["chat", *listed]))


def _old_services(host: HostSeen, notes: Notes) -> tuple[list[str], list[str]]:
    """Entries of ``replaces``, and commands that stop what no entry can."""
    replaced, stops = [], []
    for server in host.ollamas:
        path = (server.label,)
        if server is not host.ollamas[0] and (server.runs or not server.comes_back):
            notes.left_out(path, "stays as it is")
            continue
        if entry := server.replaced:
            replaced.append(entry)
            text = f"replaces {entry!r}: a deploy stops it, and remove.py brings it back"
            if server.container and server.container.compose:
                text += f"; `docker compose up` of {server.container.compose} would start it"
            notes.taken(path, text)
        elif server.runs:
            command = _stop_command(server)
            stops.append(command)
            notes.left_out(path, "llmrack cannot stop it", f"run `{command}` before the deploy")
    return replaced, stops


def _stop_command(server: Server) -> str:
    """What root runs to end a server that no entry of ``replaces`` can stop."""
    if server.container:
        runtime = server.container.runtime or "podman"
        as_owner = f"runuser -u {server.owner} -- " if server.owner else ""
        return f"{as_owner}{runtime} stop {server.container.name}"
    if server.unit:
        return f"systemctl --user -M {server.owner}@ disable --now {server.unit}"
    return f"kill {server.pid}"


def _note_other(server: Server, notes: Notes) -> None:
    """Note a server that is no Ollama, with the way to take it over or to go on using it."""
    path = (server.label,)
    cause = f"{server.program}{_where(server)}"
    if server.program == "LiteLLM" and server.reached_at and server.reached_at[1] == _GATEWAY_PORT:
        notes.lost(path, f"{cause} has the port of the gateway", _litellm_way(server))
    elif server.program == "LiteLLM":
        notes.left_out(path, cause, _litellm_way(server))
    elif server.program == "Open WebUI":
        way_out = "let it ask the gateway; `llmrack client open-webui` prints its settings"
        notes.left_out(path, cause, way_out)
    else:
        kind = _SERVERS_WITH_MODELS[server.program]
        at = server.reached_at
        url = f"http://{_own(at[0])}:{at[1]}/v1" if at else "its address"
        way_out = f"declare a provider of kind {kind} with url {url} to serve its models, too"
        notes.left_out(path, f"{cause} stays as it is", way_out)


def _litellm_way(server: Server) -> str:
    file = server.config or (server.container.config if server.container else "")
    if not file:
        return "it has no configuration file, so declare its models by hand"
    if not server.config and server.container:
        copy = f"{server.container.runtime} cp {server.container.name}:{file} ."
        return f"copy its configuration (`{copy}`), and run `llmrack adopt {file.split('/')[-1]}`"
    way_out = f"take it over with `llmrack adopt {file}`, from a copy with the .env beside it"
    if entry := server.replaced:
        return f"{way_out}, and add {entry!r} to replaces"
    return way_out


def _where(server: Server) -> str:
    at = server.reached_at
    return f" at {bracketed(at[0])}:{at[1]}" if at else ""


def _own(address: str) -> str:
    return bracketed({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address))  # noqa: S104


def summary(name: str, host: HostSeen) -> Iterator[str]:
    """Sentences on what was seen."""
    yield f"{name}: {host.system}; {grouped(host.gpus.cards) or 'no GPU'}"
    if host.llmrack:
        yield f"{name}: llmrack {host.llmrack} has deployed it; `llmrack status` shows its services"
    for server in host.ollamas:
        state = f"runs as user {server.user}" if server.runs else f"is {server.active or 'stopped'}"
        version = f"Ollama {server.version}".strip()
        yield f"{name}: {server.label}: {version}{_where(server)}, {state}"
        count, size = len(server.models.by_name), server.models.size / 1e9
        folder = server.models.folder or f"{server.models.inner_folder} of the container"
        yield f"{name}: {server.label}: {count} models in {folder} ({size:.1f} GB)"
        for caller in server.callers:
            yield f"{name}: {server.label}: used by {caller}"
    if not host.servers and not host.llmrack:
        yield f"{name}: nothing that serves models"
