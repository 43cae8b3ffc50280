"""What the gateway's own part of routing works by: ``routing.json`` beside LiteLLM's config.yaml.

The programs in ``llmrack/shipped/gateway/routing`` read it. It holds no secret, only the names of
variables that do.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from llmrack.stack.deployments import Deployment, context_length, deployments
from llmrack.stack.fleet import Fleet, Host
from llmrack.stack.kinds import MODES, Kind, kind_of
from llmrack.stack.models import Model
from llmrack.stack.providers import (
    OllamaCloudProvider,
    OllamaProvider,
    OllamaRemoteProvider,
    OpenAICompatibleProvider,
    Provider,
    RemoteProvider,
    VllmProvider,
)
from llmrack.stack.schema import Stack, is_wildcard

# Where Ollama says what it has loaded.
LOADED = "/api/ps"
# The family of Ollama's models that think by levels (ollama/ollama docs/capabilities/thinking.mdx);
# the others think, or they do not.
LEVELLED = "gpt-oss"
USUAL_LEVELS = ("low", "medium", "high")


def routing(stack: Stack, fleet: Fleet, host: Host) -> str:
    """``routing.json`` of the gateway on ``host``."""
    found = deployments(stack, fleet, host)
    asked = dict.fromkeys(each.name for each in found)
    instances: dict[str, dict[str, Any]] = {}
    for each in found:
        if each.instance not in instances:
            instances[each.instance] = _instance(stack.providers[each.provider], each)
    groups = {
        name: {
            "strategy": strategy(stack, name),
            "kind": kind(stack, name),
            "mode": MODES[kind(stack, name)],
            "context_length": _least(
                [context_length(stack, fleet, m) for m in stack.members(name)]
            ),
            # Who is asked when nobody of this name can be.
            "chain": [other for other in stack.chain(name) if other in asked],
            "deployments": [each.id for each in found if each.name == name],
        }
        for name in asked
    }
    return json.dumps(
        {
            "cooldown": host.settings.gateway_cooldown,
            "metrics": bool(fleet.monitors),
            "instances": instances,
            "groups": groups,
            "aliases": {name: to for name, to in stack.aliases.items() if to in asked},
            "deployments": {each.id: _deployment(stack, each) for each in found},
        },
        indent=1,
    )


def authorities(stack: Stack) -> dict[str, str]:
    """Files with the authorities of providers' certificates, by name."""
    return {
        authority_file(name): provider.tls_ca
        for name, provider in stack.providers.items()
        if not isinstance(provider, OllamaProvider) and provider.tls_ca
    }


def authority_file(provider: str) -> str:
    """The file in a release with the authority of a provider's certificate."""
    return f"ca-{provider}.pem"


def strategy(stack: Stack, name: str) -> str:
    """How a public name's instances are chosen among."""
    if name in stack.mixes:
        return "weighted"
    model = stack.models[stack.members(name)[0]]
    return model.strategy or stack.strategy


def kind(stack: Stack, name: str) -> Kind:
    """What a public name is asked for."""
    return kind_of(stack.models[stack.members(name)[0]])


def _least(lengths: list[int | None]) -> int | None:
    known = [each for each in lengths if each is not None]
    return min(known) if known and len(known) == len(lengths) else None


def _instance(provider: Provider, deployment: Deployment) -> dict[str, Any]:
    found: dict[str, Any] = {
        # None: it is not watched.
        "health": None,
        # None: nobody knows what it has loaded.
        "loaded": None,
        # None: LiteLLM's path.
        "chat": None,
        "key": None,
        "headers": {},
        "secret_headers": {},
        "verify": True,
        "connect_timeout": provider.connect_timeout,
    }
    if isinstance(provider, OllamaProvider):
        found |= {"url": deployment.url.removesuffix("/v1"), "loaded": LOADED}
        # The server as a whole: shipped/gateway/routing/watch.py.
        health = "*"
    else:
        found["url"], health = _health(provider)
        found |= {
            "key": provider.api_key,
            "headers": provider.headers,
            "secret_headers": provider.secret_headers,
            "verify": provider.tls_verify,
        }
        if provider.tls_ca:
            found["verify"] = authority_file(deployment.provider)
    if isinstance(provider, OllamaRemoteProvider):
        found["loaded"] = LOADED
        if provider.paths.chat != "/api/chat":
            found["chat"] = provider.paths.chat
    if provider.health_check:
        found["health"] = health
    return found


def _health(provider: RemoteProvider) -> tuple[str, str]:
    """Base address and path of what is cheap to ask."""
    if isinstance(provider, OllamaRemoteProvider):
        return provider.url, provider.paths.health
    if isinstance(provider, OllamaCloudProvider):
        return provider.url, "/api/tags"
    if isinstance(provider, VllmProvider):
        # vLLM has it beside /v1 (vllm/entrypoints/openai/api_server.py).
        parts = urlsplit(provider.url)
        return f"{parts.scheme}://{parts.netloc}{parts.path.removesuffix('/v1')}", "/health"
    return provider.url, "/models"


def _deployment(stack: Stack, deployment: Deployment) -> dict[str, Any]:
    model, provider = stack.models[deployment.model], stack.providers[deployment.provider]
    first = model.first_token_timeout or provider.first_token_timeout
    return {
        "instance": deployment.instance,
        "upstream": deployment.upstream,
        "level": deployment.level,
        "weight": deployment.weight,
        "kind": kind_of(model),
        "first_token_timeout": first if kind_of(model) == "chat" else None,
        "timeout": model.timeout or provider.timeout,
        "stream_timeout": model.stream_timeout or provider.stream_timeout,
        # For the log of requests.
        "served": deployment.model,
        "provider": deployment.provider,
        "place": deployment.place,
        "keeps_answers": model.log_content,
        "rules": _rules(stack, deployment, provider),
    }


def _rules(stack: Stack, deployment: Deployment, provider: Provider) -> dict[str, Any]:
    """What is said of requests to it (shipped/gateway/requests/rules.py)."""
    model, name = stack.models[deployment.model], deployment.name
    thinking = model.thinking
    return {
        "engine": engine(provider),
        "outside": not isinstance(provider, OllamaProvider),
        "capabilities": None if is_wildcard(deployment.model) else model.capabilities,
        "levels": levels(model, deployment.upstream, provider),
        "level": thinking.default if thinking else None,
        "most": thinking.most if thinking else None,
        "next": model.on_refusal == "next",
        "context_chain": bool(stack.special_chain(stack.context_window_chains, name)),
        "content_chain": bool(stack.special_chain(stack.content_policy_chains, name)),
        "defaults": model.defaults.model_dump(exclude_none=True),
        "drop": model.drop,
        "max_tokens": model.max_tokens,
        "client_options": model.client_options,
    }


def engine(provider: Provider) -> str:
    """Whose form a provider's requests have: ollama, vllm or openai."""
    if isinstance(provider, VllmProvider):
        return "vllm"
    return "openai" if isinstance(provider, OpenAICompatibleProvider) else "ollama"


def levels(model: Model, upstream: str, provider: Provider) -> tuple[str, ...]:
    """The levels of thinking that a model is asked by; none: it thinks, or it does not."""
    if model.thinking and model.thinking.levels is not None:
        return model.thinking.levels
    named = upstream.rsplit("/", 1)[-1]
    switch = engine(provider) == "ollama" and not named.startswith(LEVELLED)
    return () if switch else USUAL_LEVELS
