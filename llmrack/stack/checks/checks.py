"""Checks of more than one field: unused providers, missing secrets, known traps, and others."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from llmrack.problems import Problem
from llmrack.stack.checks import (
    host_checks,
    key_checks,
    kind_checks,
    litellm_checks,
    ollama_checks,
    ollama_host_checks,
    request_checks,
    routing_checks,
    secret_checks,
)
from llmrack.stack.declaration import Declaration


def check(declaration: Declaration, may_be_empty: str | None = None) -> list[Problem]:
    """All cross-checks; an empty list if the declaration is consistent.

    + may_be_empty: a provider that may have no models yet
    """
    problems = {problem for rule in _RULES for problem in rule(declaration)}
    return sorted(problems | set(_unused_providers(declaration, may_be_empty)))


def _unused_providers(d: Declaration, may_be_empty: str | None) -> Iterator[Problem]:
    for name, provider in d.stack.providers.items():
        is_unused = provider.needs_models and not d.stack.models_of(name)
        if is_unused and name != may_be_empty:
            yield d.problem(
                f"providers.{name}", "serves no model", "declare one of its models or remove it"
            )


def _traps(d: Declaration) -> Iterator[Problem]:
    """Common mistakes that LiteLLM only shows as a 404 at run time."""
    for name, provider in d.stack.providers.items():
        wrong = provider.remote.wrong_url() if provider.remote else None
        if wrong:
            yield d.problem(f"providers.{name}.url", *wrong)
        for lacking in provider.lacking():
            yield d.problem(f"providers.{name}", *lacking)
    for name, model in d.stack.models.items():
        for at in model.provider:
            named = d.stack.providers.get(at)
            wrong = named.wrong_name(model.model or "") if named else None
            if wrong:
                yield d.problem(f"models.{name}.model", *wrong, *("models", name, "model"))


_RULES: tuple[Callable[[Declaration], Iterator[Problem]], ...] = (
    routing_checks.dangling_names,
    routing_checks.same_names,
    routing_checks.members,
    routing_checks.wildcards,
    routing_checks.nobody_serves,
    kind_checks.one_kind,
    kind_checks.providers,
    request_checks.levels,
    request_checks.extra_bodies,
    key_checks.names,
    key_checks.models,
    host_checks.names,
    host_checks.groups,
    host_checks.addresses,
    host_checks.instance_names,
    host_checks.monitors,
    host_checks.replaced,
    secret_checks.of_providers,
    _traps,
    *litellm_checks.RULES,
    *ollama_checks.RULES,
    *ollama_host_checks.RULES,
)


def warnings(declaration: Declaration) -> list[Problem]:
    """Warnings: declarations that are not wrong, and that a user should know of before a deploy."""
    return [
        *ollama_host_checks.warnings(declaration),
        *host_checks.without_proxy(declaration),
        *key_checks.not_issued(declaration),
        *request_checks.relied_on(declaration),
    ]
