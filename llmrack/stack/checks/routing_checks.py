"""Checks of names and of their chains, tiers, mixes and aliases."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from llmrack.problems import Problem, nearest
from llmrack.stack.declaration import Declaration
from llmrack.stack.schema import Stack
from llmrack.stack.types import is_wildcard

# Key path of a choice, the name that it is for ("" for the default chain), and its models.
Choice = tuple[tuple[str, ...], str, tuple[str, ...]]


def dangling_names(d: Declaration) -> Iterator[Problem]:
    """Every provider and model that something names is declared."""
    stack = d.stack
    for name, model in stack.models.items():
        for at in model.provider:
            if at not in stack.providers:
                yield d.problem(
                    f"models.{name}.provider",
                    f"there is no provider {at!r}",
                    nearest(at, stack.providers),
                    *("models", name, "provider"),
                )
        if len(set(model.provider)) < len(model.provider):
            yield d.problem(
                f"models.{name}.provider",
                "names a provider twice",
                "name each once",
                *("models", name, "provider"),
            )
    heads = {*_named(stack), *stack.tiers, *stack.mixes}
    for path, head, members in _choices(stack):
        for member in members:
            if member not in stack.models:
                yield d.problem(".".join(path), *_no_model(stack, member), *path)
        if path[0] not in _CHAINS or head in heads:
            continue
        cause, way_out = f"nobody can ask for {head!r}", nearest(head, heads)
        if head in stack.aliases:
            cause = f"{head!r} is another name of {stack.aliases[head]!r}, and has its chain"
            way_out = f"declare the chain for {stack.aliases[head]!r}"
        if is_wildcard(head):
            cause = "LiteLLM looks chains up by the name that was asked for, and that has no *"
            way_out = "declare the model that shall have the chain"
        yield d.problem(".".join(path), cause, way_out, *path)
    for alias, target in stack.aliases.items():
        if target not in stack.models:
            yield d.problem(f"aliases.{alias}", *_no_model(stack, target), *("aliases", alias))


def _no_model(stack: Stack, name: str) -> tuple[str, str]:
    """Cause and way out for a name that is no declared model."""
    for part, kind in (("tiers", "a tier"), ("mixes", "a mix"), ("aliases", "an alias")):
        if name in getattr(stack, part):
            return f"{name!r} is {kind}, and no model", "name a model"
    return f"no provider serves a model {name!r}", nearest(name, _named(stack))


def _named(stack: Stack) -> list[str]:
    return [name for name in stack.models if not is_wildcard(name)]


def same_names(d: Declaration) -> Iterator[Problem]:
    """A public name is declared once."""
    stack = d.stack
    seen: dict[str, str] = {}
    for part in ("models", "tiers", "mixes", "aliases"):
        for name in getattr(stack, part):
            if name in seen:
                yield d.problem(
                    f"{part}.{name}",
                    f"{name!r} stands under {seen[name]}, too",
                    "give one of them another name",
                    *(part, name),
                )
            seen.setdefault(name, part)


def members(d: Declaration) -> Iterator[Problem]:
    """Models of chains, tiers and mixes have the needed abilities and are not explicit_only."""
    models = d.stack.models
    for path, head, chosen in _choices(d.stack):
        where = ".".join(path)
        for member in chosen:
            if member not in models:
                continue
            if models[member].explicit_only:
                yield d.problem(
                    where,
                    f"{member!r} is explicit_only and may stand in no {_ONE[path[0]]}",
                    f"take it out of the {_ONE[path[0]]}, or drop explicit_only from the model",
                    *path,
                )
            lacking = sorted(_wanted(d.stack, head) - set(models[member].capabilities))
            if lacking:
                yield d.problem(
                    where,
                    f"{member!r} cannot stand in for {head or 'a chat model'!r}: "
                    f"it lacks {', '.join(lacking)}",
                    "choose another model, or declare the capability if it has it",
                    *path,
                )
        if len(set(chosen)) < len(chosen):
            yield d.problem(where, "names a model twice", "name each once", *path)
        again = sorted(set(chosen) & _asked_before(d.stack, path[0], head))
        if again:
            yield d.problem(
                where,
                f"{head!r} has asked {', '.join(again)} already when it comes to its chain",
                "name others",
                *path,
            )
        if not chosen and path[0] == "tiers":
            yield d.problem(where, "names no model", "name those to try, in their order", *path)
        if path[0] == "mixes" and len(chosen) < 2:
            yield d.problem(where, "shares among fewer than two models", "name two or more", *path)


def wildcards(d: Declaration) -> Iterator[Problem]:
    """A wildcard ends in its only *, and its provider does not run on our own hosts."""
    for name, model in d.stack.models.items():
        path = ("models", name)
        upstream = model.model or ""
        if is_wildcard(upstream) != (is_wildcard(name) and model.model is not None):
            yield d.problem(
                f"models.{name}.model",
                "a name with * leads to a name with *, and no other does",
                "end both with *, or neither",
                *path,
            )
        if not is_wildcard(name):
            continue
        for at in model.provider:
            provider = d.stack.providers.get(at)
            if provider and provider.runs_on:
                yield d.problem(
                    f"models.{name}",
                    f"the hosts of provider {at!r} get the models that are named here",
                    "name each model",
                    *path,
                )


def nobody_serves(d: Declaration) -> Iterator[Problem]:
    """At least one provider is enabled."""
    if not any(provider.enabled for provider in d.stack.providers.values()):
        yield d.problem("providers", "none is enabled", "enable one of them", "providers")


_CHAINS = ("chains", "context_window_chains", "content_policy_chains")
_ONE = dict.fromkeys(_CHAINS, "chain") | {
    "default_chain": "chain",
    "tiers": "tier",
    "mixes": "mix",
}


def _choices(stack: Stack) -> Iterator[Choice]:
    for part in (*_CHAINS, "tiers", "mixes"):
        chosen: dict[str, Iterable[str]] = getattr(stack, part)
        for head, models in chosen.items():
            yield (part, head), head, tuple(models)
    yield ("default_chain",), "", stack.default_chain


def _wanted(stack: Stack, head: str) -> set[str]:
    """The capabilities that all models behind ``head`` have, but for thinking and vision."""
    known = [stack.models[member] for member in stack.members(head) if member in stack.models]
    if not known:
        return {"chat"}
    # A tier or a mix has only the capabilities that all its members have.
    wanted: set[str] = set(known[0].capabilities)
    for model in known[1:]:
        wanted &= set(model.capabilities)
    # Requests lose their thinking where a model has none, and those with images pass over a model
    # without vision, so no answer depends on them.
    return (wanted - {"thinking", "vision"}) or {"chat"}


def _asked_before(stack: Stack, part: str, head: str) -> set[str]:
    """The models that were asked before the chain of ``head``.

    A chain may lead back to a model whose own chain leads here: a model in a chain brings none.
    """
    if part == "chains":
        return set(stack.members(head))
    return {head} if part in _CHAINS else set()
