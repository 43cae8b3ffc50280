"""What can be wrong with the keys of clients."""

from __future__ import annotations

from collections.abc import Iterator

from llmrack.problems import Problem, nearest
from llmrack.stack.declaration import Declaration
from llmrack.stack.schema import Stack
from llmrack.stack.types import is_wildcard

# Who stands in the gateway's log of requests when the master key was shown.
MASTER = "master"


def names(d: Declaration) -> Iterator[Problem]:
    """No key is called like the gateway's own."""
    if MASTER in d.stack.keys:
        yield d.problem(
            f"keys.{MASTER}",
            "is how the log of requests calls the gateway's own key",
            "choose another name",
        )


def models(d: Declaration) -> Iterator[Problem]:
    """What a key is for can be asked for."""
    public = _public(d.stack)
    for name, key in d.stack.keys.items():
        for model in key.models:
            if not any(_leads_to(model, name_) for name_ in public):
                cause = f"nobody can ask for {model!r}"
                path = ("keys", name, "models")
                yield d.problem(f"keys.{name}.models", cause, nearest(model, public), *path)


def not_issued(d: Declaration) -> Iterator[Problem]:
    """Declared keys that nobody can have: no mistake, but good to know before a deploy."""
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
