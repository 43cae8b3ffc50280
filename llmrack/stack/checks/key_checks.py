"""Checks of the keys of clients."""

from __future__ import annotations

from collections.abc import Iterator

from llmrack.problems import Problem, nearest
from llmrack.stack.declaration import Declaration
from llmrack.stack.schema import Stack
from llmrack.stack.types import is_wildcard

# The name of the master key in the gateway's log of requests.
MASTER = "master"


def names(d: Declaration) -> Iterator[Problem]:
    """No key has the name of the gateway's own key."""
    if MASTER in d.stack.keys:
        yield d.problem(
            f"keys.{MASTER}",
            "is how the log of requests calls the gateway's own key",
            "choose another name",
        )


def models(d: Declaration) -> Iterator[Problem]:
    """A key is restricted only to names that clients can ask for."""
    public = _public(d.stack)
    for name, key in d.stack.keys.items():
        for model in key.models:
            if not any(_leads_to(model, name_) for name_ in public):
                cause = f"nobody can ask for {model!r}"
                path = ("keys", name, "models")
                yield d.problem(f"keys.{name}.models", cause, nearest(model, public), *path)


def not_issued(d: Declaration) -> Iterator[Problem]:
    """Warnings for declared keys that were never issued."""
    for name in d.stack.keys:
        if name not in d.issued:
            cause, way_out = "was never issued", f"run: llmrack keys issue {name}"
            yield d.problem(f"keys.{name}", cause, way_out)


def _public(stack: Stack) -> list[str]:
    return [*stack.models, *stack.tiers, *stack.mixes, *stack.aliases]


def _leads_to(allowed: str, public: str) -> bool:
    """Whether ``allowed`` is a public name, a part of a wildcard, or stands for some of them."""
    if is_wildcard(public) and allowed.startswith(public[:-1]):
        return True
    return public.startswith(allowed[:-1]) if is_wildcard(allowed) else public == allowed
