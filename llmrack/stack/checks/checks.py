"""What cannot be seen in one field alone: unused providers, missing secrets, known traps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from llmrack.problems import Problem
from llmrack.stack.checks import (
    engine_checks,
    host_checks,
    key_checks,
    kind_checks,
    request_checks,
    routing_checks,
)
from llmrack.stack.declaration import Declaration
from llmrack.stack.providers import (
    OllamaCloudProvider,
    OllamaProvider,
    OllamaRemoteProvider,
    VllmProvider,
)


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
            if at := d.placeholders.get(secret):
                yield d.problem(
                    f"providers.{name}.{where}",
                    f"what {at} has for the secret {secret} counts as a placeholder",
                    f"put the key itself there, or run llmrack secrets set {secret}",
                )
                continue
            yield d.problem(
                f"providers.{name}.{where}",
                f"the secret {secret} is not set",
                f"run llmrack secrets set {secret}, or put {secret}=... into {d.env_file} "
                "(see .env.example) or into the environment",
            )


# Addresses of services under which nobody would find anything, and those under which they answer
# (their own pages on the API).
_BASES = {
    "api.openai.com": "https://api.openai.com/v1",
    "openrouter.ai": "https://openrouter.ai/api/v1",
    "api.groq.com": "https://api.groq.com/openai/v1",
    "api.mistral.ai": "https://api.mistral.ai/v1",
    "api.together.xyz": "https://api.together.xyz/v1",
    "generativelanguage.googleapis.com": "https://generativelanguage.googleapis.com/v1beta/openai",
}
# What is appended to a base address.
_ENDINGS = ("/chat/completions", "/completions", "/embeddings", "/responses", "/models")


def _traps(d: Declaration) -> Iterator[Problem]:
    """Mistakes that others made and that LiteLLM only shows as a 404 at run time."""
    for name, provider in d.stack.providers.items():
        if isinstance(provider, OllamaProvider):
            continue
        parts = urlsplit(provider.url)
        path = parts.path.rstrip("/")
        ending = next((each for each in _ENDINGS if path.endswith(each)), "")
        if isinstance(provider, OllamaCloudProvider | OllamaRemoteProvider):
            if path.endswith(("/api", "/v1")):
                ending = path[path.rindex("/") :]
                yield d.problem(
                    f"providers.{name}.url",
                    f"ends in {ending}, but /api/chat is appended to it "
                    f"(requests would go to {ending}/api/chat and find nothing)",
                    f"write {provider.url.removesuffix(ending)}",
                )
        elif ending:
            yield d.problem(
                f"providers.{name}.url",
                f"ends in {ending}, which is appended to it",
                f"leave {ending} out",
            )
        elif not path and (base := _BASES.get(parts.hostname or "")):
            yield d.problem(
                f"providers.{name}.url",
                f"nothing answers below it: {parts.hostname} has its API elsewhere",
                f"write {base}",
            )
        elif not path and isinstance(provider, VllmProvider):
            yield d.problem(
                f"providers.{name}.url",
                "has no path, and vLLM answers chats below /v1",
                f"write {provider.url}/v1",
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
    request_checks.levels,
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
