"""What cannot be seen in one field alone: unused providers, missing secrets, known traps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from llmrack.problems import Problem
from llmrack.stack import engine_checks, host_checks, key_checks, kind_checks, routing_checks
from llmrack.stack.declaration import Declaration
from llmrack.stack.providers import OllamaCloudProvider, OllamaProvider, OllamaRemoteProvider


def check(declaration: Declaration, may_be_empty: str | None = None) -> list[Problem]:
    """All cross-checks; an empty list when the declaration holds together.

    + may_be_empty: a provider that need not have models yet
    """
    found = {problem for rule in _RULES for problem in rule(declaration)}
    return sorted(found | set(_unused_providers(declaration, may_be_empty)))


def _unused_providers(d: Declaration, may_be_empty: str | None) -> Iterator[Problem]:
    for name, provider in d.stack.providers.items():
        # engine_checks.pruning has a word on those.
        pruning = isinstance(provider, OllamaProvider) and provider.prune
        if not d.stack.models_of(name) and not pruning and name != may_be_empty:
            yield d.problem(
                f"providers.{name}", "serves no model", "declare one of its models or remove it"
            )


def _secrets(d: Declaration) -> Iterator[Problem]:
    for name, provider in d.stack.providers.items():
        if isinstance(provider, OllamaProvider) or not provider.enabled:
            continue
        for secret in provider.secrets:
            if secret in d.secrets:
                continue
            where = "api_key" if secret == provider.api_key else "secret_headers"
            yield d.problem(
                f"providers.{name}.{where}",
                f"the secret {secret} is not set",
                f"run llmrack secrets set {secret}, or put {secret}=... into {d.env_file} "
                "(see .env.example) or into the environment",
            )


def _traps(d: Declaration) -> Iterator[Problem]:
    """Mistakes that others made and that LiteLLM only shows as a 404 at run time."""
    for name, provider in d.stack.providers.items():
        if isinstance(provider, OllamaProvider):
            continue
        path = urlsplit(provider.url).path.rstrip("/")
        if isinstance(provider, OllamaCloudProvider | OllamaRemoteProvider):
            if path.endswith(("/api", "/v1")):
                ending = path[path.rindex("/") :]
                yield d.problem(
                    f"providers.{name}.url",
                    f"ends in {ending}, but /api/chat is appended to it "
                    f"(requests would go to {ending}/api/chat and find nothing)",
                    f"write {provider.url.removesuffix(ending)}",
                )
        elif not path.endswith("/v1"):
            base = provider.url.partition("/v1")[0]
            yield d.problem(
                f"providers.{name}.url",
                "does not end in /v1, but /chat/completions is appended to it",
                f"write {base}/v1",
            )
    for name, model in d.stack.models.items():
        upstream = model.model or ""
        cloud = any(
            isinstance(d.stack.providers.get(at), OllamaCloudProvider) for at in model.provider
        )
        if cloud and upstream.endswith(("-cloud", ":cloud")):
            yield d.problem(
                f"models.{name}.model",
                f"ollama.com itself does not know {upstream!r}: the -cloud suffix belongs to names "
                "in a local Ollama",
                "leave the suffix off, or leave out 'model'",
                *("models", name, "model"),
            )


_RULES: tuple[Callable[[Declaration], Iterator[Problem]], ...] = (
    routing_checks.dangling_names,
    routing_checks.same_names,
    routing_checks.members,
    routing_checks.cycles,
    routing_checks.wildcards,
    routing_checks.nobody_serves,
    kind_checks.one_kind,
    kind_checks.providers,
    key_checks.names,
    key_checks.models,
    host_checks.names,
    host_checks.groups,
    host_checks.addresses,
    host_checks.instance_names,
    host_checks.reachable_engines,
    host_checks.guard,
    host_checks.monitors,
    _secrets,
    _traps,
    host_checks.versions,
    host_checks.adapters,
    engine_checks.ours_alone,
    engine_checks.names,
    engine_checks.cloud_names,
    engine_checks.created_models,
    engine_checks.instance_names,
    engine_checks.models_directory,
    engine_checks.pruning,
)
