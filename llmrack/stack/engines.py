"""What runs on a host of a provider of kind ``ollama``: its instances, and their models."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from llmrack.stack.fleet import Host, bracketed, own_address
from llmrack.stack.models import Create
from llmrack.stack.parameters import Parameters
from llmrack.stack.providers import OllamaProvider
from llmrack.stack.schema import Stack, normalised
from llmrack.stack.settings import DeclaredInstance, Settings

# The instance of a host that has only one.
ONLY = "main"
# An AMD card's UUID (ROCR_VISIBLE_DEVICES); NVIDIA's are those of RFC 4122.
_AMD_UUID = re.compile(r"GPU-[0-9a-f]{16}")
# How a GPU is chosen; one is set for an instance that has cards of its own.
SELECTORS = ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")
# What CUDA leaves alone is there for Vulkan, which is in Ollama's archive and in use where
# the host has libvulkan (ollama/ollama#17609, #16592). An index that no device has hides all: ggml
# gives its Vulkan backend up (llama.cpp ggml/src/ggml-vulkan, ggml_vk_instance_init; Ollama's
# docs/gpu.mdx). An empty value would do for ggml, but is the same as none to Ollama's envconfig.
# Not for AMD's: ROCm's libraries are in an archive of their own (ollama-linux-amd64-rocm, see
# scripts/build_linux.sh), so that Vulkan is all that a card of AMD's has.
VULKAN_SELECTOR = "GGML_VK_VISIBLE_DEVICES"
_NO_DEVICE = "-1"


@dataclass(frozen=True)
class Instance:
    """One Ollama server of a host.

    + name: its unit is ``llmrack-ollama@NAME.service``
    + port: it listens there
    + gpus: UUIDs of its cards; None for every card of the host, empty for none
    + environment: what its unit says on top of the bind, the models directory and HOME
    + writer: whether it is the one that writes to the host's models directory
    """

    name: str
    port: int
    gpus: tuple[str, ...] | None
    environment: tuple[tuple[str, str], ...]
    writer: bool


def instances(host: Host) -> tuple[Instance, ...]:
    """The instances of ``host``; the first one is the writer.

    ``per-gpu`` has one a card in the order of their UUIDs, so that it depends neither on slots nor
    on the driver's numbering; none while the host's cards are not known.
    """
    settings = host.settings
    found = []
    port = settings.ollama_port
    for number, (name, gpus, own) in enumerate(_named(host)):
        at = own.port if own and own.port else port
        port = at + 1
        variables = settings.ollama_extra_environment | settings.ollama_environment.variables()
        variables |= _selection(gpus)
        if own and own.environment:
            variables |= own.environment.variables(only_set=True)
        if number:
            # One writer: nobody locks the models directory, and a second one would prune it.
            variables["OLLAMA_NOPRUNE"] = "1"
        found.append(Instance(name, at, gpus, tuple(sorted(variables.items())), number == 0))
    return tuple(found)


def _named(host: Host) -> Iterator[tuple[str, tuple[str, ...] | None, DeclaredInstance | None]]:
    declared = host.settings.ollama_instances
    if isinstance(declared, tuple):
        for each in declared:
            yield each.name, each.gpus, each
    elif declared == "one" or (host.gpus == () and not host.settings.gpu_required):
        yield ONLY, None, None
    else:
        for uuid in sorted(host.gpus or ()):
            yield uuid.partition("-")[2].lower()[:8], (uuid,), None


def _selection(gpus: tuple[str, ...] | None) -> dict[str, str]:
    if gpus is None:
        return {}
    if not gpus:
        return dict.fromkeys((*SELECTORS, VULKAN_SELECTOR), _NO_DEVICE)
    amd = all(_AMD_UUID.fullmatch(uuid) for uuid in gpus)
    chosen = {SELECTORS[amd]: ",".join(gpus)}
    return chosen if amd else chosen | {VULKAN_SELECTOR: _NO_DEVICE}


def instance_name(host: Host, instance: Instance) -> str:
    """How an instance is called in a gateway and in reports: ``box1``, or ``box1/NAME``."""
    return host.name if instance.name == ONLY else f"{host.name}/{instance.name}"


def instance_url(host: Host, instance: Instance, seen_from: Host) -> str:
    """Where ``seen_from`` reaches an instance of ``host``."""
    own = host.name == seen_from.name
    address = own_address(host.settings.ollama_bind) if own else host.address
    return f"http://{bracketed(address)}:{instance.port}"


def models_folder(settings: Settings) -> str:
    """The models directory, which all instances of a host share."""
    return settings.ollama_models or f"{settings.service_home}/.ollama/models"


@dataclass(frozen=True)
class EngineModel:
    """A model that the Ollama instances of a host have.

    + name: with its tag
    + create: how it is made; None for one that is pulled
    + public: the models of the stack that it is served as; empty for a mere base of another
    """

    name: str
    create: Create | None
    public: tuple[str, ...]


def engine_models(stack: Stack, host: Host) -> list[EngineModel]:
    """The models that ``host`` must have: bases before what is made from them, else by name."""
    public: dict[str, list[str]] = {}
    made: dict[str, Create] = {}
    for provider, name in _models(stack, host):
        model = stack.models[name]
        upstream = normalised(stack.upstream(name, provider))
        public.setdefault(upstream, []).append(name)
        if model.create:
            made[upstream] = with_context(model.create, model.context_length)
        elif model.context_length:
            made[upstream] = with_context(Create(base=model.model or name), model.context_length)
    found: dict[str, EngineModel] = {}

    def visit(name: str, trail: tuple[str, ...]) -> None:
        create = made.get(name)
        source = source_of(create) if create else None
        if name in found or name in trail:
            return
        if source:
            visit(source, (*trail, name))
        found[name] = EngineModel(name, create, tuple(public.get(name, ())))

    for name in sorted(public, key=lambda name: (name in made, name)):
        visit(name, ())
    return list(found.values())


def pulled_models(stack: Stack, host: Host) -> list[str]:
    """The names of the models that ``host`` gets from a registry, bases of others among them."""
    return [model.name for model in engine_models(stack, host) if model.create is None]


def source_of(create: Create) -> str | None:
    """The model that another one is made from or is a copy of; None for one from a file."""
    source = create.base or create.copy_of
    return normalised(source) if source else None


def with_context(create: Create, context_length: int | None) -> Create:
    """``create`` with a context length baked in."""
    if context_length is None:
        return create
    parameters = create.parameters.model_dump(exclude_none=True) | {"num_ctx": context_length}
    return create.model_copy(update={"parameters": Parameters.model_validate(parameters)})


def prunes(stack: Stack, host: Host) -> bool:
    """Whether models that nobody declares are removed from ``host``."""
    return any(provider.prune for provider in _providers(stack, host).values())


def _providers(stack: Stack, host: Host) -> dict[str, OllamaProvider]:
    return {
        name: provider
        for name, provider in stack.providers.items()
        if isinstance(provider, OllamaProvider) and provider.group in host.groups
    }


def served(stack: Stack, host: Host) -> list[str]:
    """Public names of the models that ``host`` runs."""
    return [name for _, name in _models(stack, host)]


def _models(stack: Stack, host: Host) -> Iterator[tuple[str, str]]:
    """Providers with their models; a model of several providers of the host stands once."""
    found: set[str] = set()
    for provider in _providers(stack, host):
        for name in stack.models_of(provider):
            if name not in found:
                found.add(name)
                yield provider, name
