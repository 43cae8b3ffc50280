"""Checks of the kind of a model's answers."""

from __future__ import annotations

from collections.abc import Iterator

from llmrack.problems import Problem
from llmrack.stack.declaration import Declaration
from llmrack.stack.kinds import MODES, kind_of


def one_kind(d: Declaration) -> Iterator[Problem]:
    """Every model has one kind, and only chat models have abilities of a chat."""
    for name, model in d.stack.models.items():
        kinds: list[str] = [kind for kind in MODES if kind in model.capabilities]
        abilities: list[str] = [ability for ability in model.capabilities if ability not in MODES]
        if not kinds:
            cause = f"{_listed(abilities)} alone is no kind of answer"
            way_out = "add chat, which it belongs to"
        elif len(kinds) > 1:
            cause = f"{_listed(kinds)} are {len(kinds)} kinds of answer, and a model has one"
            way_out = "declare a model for each of them, with the same 'model'"
        elif abilities and kinds != ["chat"]:
            cause = f"{_listed(abilities)} belongs to chat, and this model is for {kinds[0]}"
            way_out = f"leave out {_listed(abilities)}"
        else:
            continue
        where = f"models.{name}.capabilities"
        yield d.problem(where, cause, way_out, *("models", name, "capabilities"))


def providers(d: Declaration) -> Iterator[Problem]:
    """Every provider of a model can give its kind of answer."""
    for name, model in d.stack.models.items():
        kind = kind_of(model)
        for at in model.provider:
            provider = d.stack.providers.get(at)
            if provider is None or provider.gives(kind):
                continue
            yield d.problem(
                f"models.{name}.capabilities",
                f"{provider.title} has no {kind}, and provider {at!r} is of kind {provider.kind}",
                "choose a provider of another kind (openai-compatible has every one), or correct "
                "the capabilities",
                *("models", name, "capabilities"),
            )


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
