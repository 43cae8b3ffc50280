"""``routing.json``, the table that the gateway's own routing reads, beside LiteLLM's config.yaml.

The programs in ``llmrack/shipped/gateway/routing`` read it. It holds no secret, only the names of
variables that do.
"""

from __future__ import annotations

import json
from typing import Any

from llmrack.stack.deployments import Deployment, context_length, deployments
from llmrack.stack.fleet import Fleet, Host
from llmrack.stack.kinds import MODES, Kind, kind_of
from llmrack.stack.models import Model
from llmrack.stack.providers import Provider
from llmrack.stack.schema import Stack
from llmrack.stack.types import is_wildcard


def routing(stack: Stack, fleet: Fleet, host: Host) -> str:
    """``routing.json`` of the gateway on ``host``."""
    served = deployments(stack, fleet, host)
    asked = dict.fromkeys(deployment.name for deployment in served)
    instances: dict[str, dict[str, Any]] = {}
    for deployment in served:
        if deployment.instance not in instances:
            instances[deployment.instance] = _instance(
                stack.providers[deployment.provider], deployment
            )
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
            "deployments": [deployment.id for deployment in served if deployment.name == name],
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
            "deployments": {deployment.id: _deployment(stack, deployment) for deployment in served},
        },
        indent=1,
    )


def authorities(stack: Stack) -> dict[str, str]:
    """Files with the authorities of providers' certificates, by name."""
    return {
        authority_file(name): provider.remote.tls_ca
        for name, provider in stack.providers.items()
        if provider.remote and provider.remote.tls_ca
    }


def authority_file(provider: str) -> str:
    """The file in a release with the authority of a provider's certificate."""
    return f"ca-{provider}.pem"


def strategy(stack: Stack, name: str) -> str:
    """How a gateway chooses among the instances of a public name."""
    if name in stack.mixes:
        return "weighted"
    model = stack.models[stack.members(name)[0]]
    return model.strategy or stack.strategy


def kind(stack: Stack, name: str) -> Kind:
    """The kind of answer that a public name gives."""
    return kind_of(stack.models[stack.members(name)[0]])


def _least(lengths: list[int | None]) -> int | None:
    known = [length for length in lengths if length is not None]
    return min(known) if known and len(known) == len(lengths) else None


def _instance(provider: Provider, deployment: Deployment) -> dict[str, Any]:
    url, health = provider.watched(deployment.url)
    remote = provider.remote
    verify: bool | str = remote.tls_verify if remote else True
    if remote and remote.tls_ca:
        verify = authority_file(deployment.provider)
    return {
        # None: it is not watched.
        "health": health if provider.health_check else None,
        # None: nobody knows what it has loaded.
        "loaded": provider.loaded_path,
        # None: LiteLLM's path.
        "chat": provider.unusual_chat_path,
        "key": remote.api_key if remote and remote.takes_bearer else None,
        # Everything that is secret in requests to it.
        "secrets": remote.secrets if remote else (),
        # Sent with every request to it.
        "query": remote.query if remote else "",
        "headers": remote.headers if remote else {},
        "secret_headers": remote.secret_headers if remote else {},
        "verify": verify,
        "connect_timeout": provider.connect_timeout,
        "url": url,
    }


def _deployment(stack: Stack, deployment: Deployment) -> dict[str, Any]:
    model, provider = stack.models[deployment.model], stack.providers[deployment.provider]
    first = model.first_token_timeout or provider.first_token_timeout
    return {
        "instance": deployment.instance,
        "upstream": deployment.upstream,
        "level": deployment.level,
        "weight": deployment.weight,
        "kind": kind_of(model),
        "client": provider.client(kind_of(model), deployment.prefix),
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
    """The rules for requests to it (read by shipped/gateway/requests/rules.py)."""
    model, name = stack.models[deployment.model], deployment.name
    thinking = model.thinking
    return {
        "engine": provider.engine,
        "outside": provider.runs_on is None,
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
        "extra_body": model.extra_body,
    }


def levels(model: Model, upstream: str, provider: Provider) -> tuple[str, ...]:
    """The levels of thinking that a model takes; empty if thinking is only on or off."""
    if model.thinking and model.thinking.levels is not None:
        return model.thinking.levels
    return provider.levels(upstream)
