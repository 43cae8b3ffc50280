"""The models that Ollama has on a host, as its providers declare them."""

from __future__ import annotations

from collections.abc import Iterator

from llmrack.stack.fleet import Host
from llmrack.stack.instances import EngineModel
from llmrack.stack.models import Create
from llmrack.stack.ollama.names import normalised
from llmrack.stack.ollama.providers import OllamaProvider
from llmrack.stack.parameters import Parameters
from llmrack.stack.schema import Stack


def engine_models(stack: Stack, host: Host) -> list[EngineModel]:
    """The models that ``host`` must have, by name, but a base before the models made from it."""
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
    models: dict[str, EngineModel] = {}

    def visit(name: str, trail: tuple[str, ...]) -> None:
        create = made.get(name)
        source = source_of(create) if create else None
        if name in models or name in trail:
            return
        if source:
            visit(source, (*trail, name))
        models[name] = EngineModel(name, create, tuple(public.get(name, ())))

    for name in sorted(public, key=lambda name: (name in made, name)):
        visit(name, ())
    return list(models.values())


def pulled_models(stack: Stack, host: Host) -> list[str]:
    """The names of the models that ``host`` pulls from a registry, including mere bases."""
    return [model.name for model in engine_models(stack, host) if model.create is None]


def source_of(create: Create) -> str | None:
    """The model that ``create`` starts from or copies; None if it starts from a file."""
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
    """Pairs of provider and model; a model of several providers of the host is there once."""
    listed: set[str] = set()
    for provider in _providers(stack, host):
        for name in stack.models_of(provider):
            if name not in listed:
                listed.add(name)
                yield provider, name
