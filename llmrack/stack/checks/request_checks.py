"""Checks of what is declared of requests, and warnings."""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmrack.problems import Problem
from llmrack.stack.declaration import Declaration
from llmrack.stack.kinds import kind_of

# Families of models that think, by the beginning of their names.
_THINKERS = re.compile(
    r"(.*/)?(gpt-oss|deepseek-r1|qwq|magistral|qwen3(?!-coder|-embedding|-vl))\b"
)


def levels(d: Declaration) -> Iterator[Problem]:
    """The providers of a model know its declared levels of thinking."""
    for name, model in d.stack.models.items():
        if model.thinking is None or model.thinking.levels is None:
            continue
        path = ("models", name, "thinking")
        for at in model.provider:
            provider = d.stack.providers.get(at)
            wrong = provider.wrong_levels(at, model.thinking.levels) if provider else None
            if wrong:
                yield d.problem(f"models.{name}.thinking.levels", *wrong, *path)


def extra_bodies(d: Declaration) -> Iterator[Problem]:
    """Fields are for chats and embeddings, and leave the context of our own models alone."""
    for name, model in d.stack.models.items():
        where, path = f"models.{name}.extra_body", ("models", name, "extra_body")
        if model.extra_body and kind_of(model) not in ("chat", "embedding"):
            cause = "is for models with chats or embeddings"
            yield d.problem(where, cause, "leave it out", *path)
        providers = [d.stack.providers[at] for at in model.provider if at in d.stack.providers]
        options = model.extra_body.get("options")
        if not isinstance(options, dict) or "num_ctx" not in options:
            continue
        if any(provider.runs_on for provider in providers):
            cause = "changes the context that the model is loaded with"
            yield d.problem(where, cause, "use context_length", *path)


def relied_on(d: Declaration) -> Iterator[Problem]:
    """Warnings where gateways now treat requests differently from earlier versions."""
    stack = d.stack
    for name in (*stack.models, *stack.tiers, *stack.mixes):
        members = [stack.models[member] for member in stack.members(name) if member in stack.models]
        after = [stack.models[member] for member in stack.chain(name) if member in stack.models]
        blind = [model for model in members if "vision" not in model.capabilities]
        if (
            len(blind) == len(members) > 0
            and any("vision" in model.capabilities for model in after)
            and all(model.on_refusal == "answer" for model in blind)
        ):
            yield d.problem(
                f"models.{name}" if name in stack.models else name,
                "requests with images are refused by it, and go along its chain no more",
                "say on_refusal: next if they shall, or leave it so",
            )
    for name, model in stack.models.items():
        upstream = model.model or name
        chats = "chat" in model.capabilities and "thinking" not in model.capabilities
        if chats and _THINKERS.match(upstream.lower()):
            yield d.problem(
                f"models.{name}.capabilities",
                "models of this name think, and reasoning_effort of clients is left out",
                "add the capability thinking, if it has it",
                *("models", name),
            )
