"""Lists the models of a provider, and adds chosen ones to the stack file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError
from pyinfra.api.host import Host as PyinfraHost

from llmrack.files import replacement
from llmrack.hosts.asking import Gateways
from llmrack.hosts.connection import Unreached
from llmrack.hosts.provider_requests import NotAnswered, Reach, Talk
from llmrack.observe.providers.insertion import with_models
from llmrack.problems import DeclarationError, nearest
from llmrack.stack.checks.checks import check
from llmrack.stack.declaration import Declaration
from llmrack.stack.fleet import Host
from llmrack.stack.kinds import Kind
from llmrack.stack.load import load_stack
from llmrack.stack.model_lists import Server, servers
from llmrack.stack.types import ModelName
from llmrack.verify.model_descriptions import capabilities_of, context_length_of

# Words in the names of models that are not for chats, and the kind of these models.
KINDS: dict[str, Kind] = {
    "embed": "embedding",
    "rerank": "rerank",
    "whisper": "transcription",
    "transcribe": "transcription",
    "tts": "speech",
    "dall-e": "image",
    "gpt-image": "image",
}


class NotDiscovered(Exception):
    """A provider's models are not known, or cannot be added: cause and way out."""


@dataclass(frozen=True)
class Found:
    """A model that a provider has.

    + name: the provider's name for it
    + context_length: in tokens; None if the provider does not tell
    + capabilities: in the stack's words; None if the provider does not tell
    + declared: its public name, if it is declared with this provider
    """

    name: str
    context_length: int | None
    capabilities: tuple[str, ...] | None
    declared: str | None


@dataclass(frozen=True)
class Discovery:
    """The models of a provider, in the order of their names.

    + declaration: the present declaration
    + file: the stack file
    """

    provider: str
    models: tuple[Found, ...]
    declaration: Declaration
    file: Path


def discover(inventory: str, folder: Path, provider: str) -> Discovery:
    """Ask a provider for its models, from the first gateway that can.

    Raises FileNotFoundError and DeclarationError, as ``read_inventory`` does (but a provider may be
    without models yet), NoProvider, and NotDiscovered.
    """
    gateways = Gateways(inventory, folder, may_be_empty=provider)
    gateways.insist_on_provider(provider)
    declared = gateways.declared
    stack = declared.stack

    def question(gateway: Host, connected: PyinfraHost) -> dict[str, Found] | NotAnswered:
        reach = Reach(connected, declared.secrets, [stack.providers[provider]])
        models: dict[str, Found] = {}
        try:
            for server in servers(stack, declared.fleet, gateway, provider):
                with reach.talk(server) as talk:
                    models = {model.name: model for model in models_at(server, talk)} | models
        except NotAnswered as error:
            return error
        return models

    declared_provider = stack.providers[provider]
    if not declared_provider.lists_models:
        raise NotDiscovered(
            f"no list of the models of {provider} is known; declare them in "
            f"{declared.declaration.stack_file} by the names of the service's own page"
        )

    def full(name: str) -> str:
        """The same text for all names that mean one model to the provider."""
        return declared_provider.full_name(declared_provider.listed_name(name))

    reasons = []
    for gateway, answer in gateways.ask(question).items():
        if isinstance(answer, Unreached | NotAnswered):
            reasons.append(f"{gateway}: {answer}")
            continue
        names = {
            full(stack.upstream(public, provider)): public for public in stack.models_of(provider)
        }
        models = [
            replace(model, declared=names.get(full(name))) for name, model in sorted(answer.items())
        ]
        file = folder / declared.declaration.stack_file
        return Discovery(provider, tuple(models), declared.declaration, file)
    raise NotDiscovered("\n".join(reasons) or "the inventory has no gateway to ask from")


def models_at(server: Server, talk: Talk) -> Iterator[Found]:
    """The models of a server, without ``declared``. Raises NotAnswered."""
    for name, entry in talk.models().items():
        description: object = entry
        if path := server.declared.describe_path:
            try:
                description = talk.post(server.at(path), {"model": name})
            except NotAnswered:
                # A proxy may refuse the path, and only Ollama's own server has it.
                description = entry
        yield Found(name, context_length_of(description), capabilities_of(description), None)


@dataclass(frozen=True)
class Added:
    """The result of adding models.

    + names: the public names that were written
    + left_out: a sentence for each that was not, except for those declared already
    """

    names: tuple[str, ...]
    left_out: tuple[str, ...]


def add(discovery: Discovery, names: Sequence[str] | None) -> Added:
    """Write models into the stack file, under the provider's own names for them.

    + names: which (default: all)

    A model that is declared with this provider stays as it is. A name that is in use otherwise is
    left out. The new text replaces the old one only if it is free of mistakes. Raises NotDiscovered
    for a name that the provider does not have, DeclarationError, and NoRoom.
    """
    known = {model.name: model for model in discovery.models}
    for name in names or ():
        if name not in known:
            raise NotDiscovered(
                f"provider {discovery.provider!r} does not have {name!r}; {nearest(name, known)}"
            )
    chosen = [known[name] for name in dict.fromkeys(names)] if names is not None else known.values()
    entries: dict[str, Mapping[str, object]] = {}
    left_out = []
    for model in chosen:
        if model.declared:
            continue
        reason = _clash(discovery, model.name)
        if reason:
            left_out.append(reason)
        else:
            entries[model.name] = _entry(discovery.provider, model)
    if entries:
        _write(discovery, entries)
    return Added(tuple(entries), tuple(left_out))


def _entry(provider: str, model: Found) -> dict[str, object]:
    capabilities = model.capabilities
    if capabilities is None:
        # Providers that do not tell capabilities mostly show them in the name.
        named = next((kind for word, kind in KINDS.items() if word in model.name.lower()), None)
        capabilities = (named,) if named else None
    elif "embedding" in capabilities:
        # A model has one kind of answer.
        capabilities = ("embedding",)
    if capabilities is None or capabilities == ("chat",):
        return {"provider": provider}
    return {"provider": provider, "capabilities": list(capabilities)}


def _clash(discovery: Discovery, name: str) -> str:
    """Why ``name`` cannot be a new public name; empty when it can."""
    stack, provider = discovery.declaration.stack, discovery.provider
    try:
        TypeAdapter(ModelName).validate_python(name)
    except ValidationError:
        return f"{name} cannot be a public name; declare it under another one, with model: {name}"
    if name in stack.models:
        providers = ", ".join([*stack.models[name].provider, provider])
        return (
            f"{name} is declared already, with another provider; to be served by both, it needs "
            f"provider: [{providers}]"
        )
    if name in {*stack.tiers, *stack.mixes, *stack.aliases}:
        return (
            f"{name} is a tier, a mix or an alias; declare it under another name, with "
            f"model: {name}"
        )
    return ""


def _write(discovery: Discovery, entries: Mapping[str, Mapping[str, object]]) -> None:
    file, declaration = discovery.file.resolve(), discovery.declaration
    text = with_models(file.read_bytes().decode("utf-8"), entries)
    with replacement(file, file.stat().st_mode & 0o777) as beside:
        beside.write_bytes(text.encode("utf-8"))
        stack, lines = load_stack(beside, declaration.stack_file)
        problems = check(replace(declaration, stack=stack, lines=lines))
        if problems:
            raise DeclarationError(problems)
