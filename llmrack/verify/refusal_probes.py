"""Proves by one request each that wrong requests are refused, and that no other model answers them.

A probe returns its measurement, or raises Failed.
"""

from __future__ import annotations

from collections.abc import Mapping

from llmrack.verify.exchange import Form
from llmrack.verify.explain import ELSEWHERE, explain, said_by_provider, timed_out
from llmrack.verify.probes import (
    CHAT,
    Measured,
    Target,
    asked,
    instance_of,
    message_of,
    says,
)
from llmrack.verify.results import Failed, one_line

# A type that JSON Schema does not have.
WRONG_TYPE = "nonsense"


def wrong(target: Target) -> Measured:
    """The gateway or the server refuses a wrong request (400), and no other model is asked.

    The gateway passes the schema on, and Ollama refuses it (llama/grammar at v0.33); a server of
    another kind may ignore it and answer.
    """
    schema = {"name": "x", "schema": {"type": WRONG_TYPE}}
    body = {
        "max_tokens": 1,
        "response_format": {"type": "json_schema", "json_schema": schema},
        **says("Hello."),
    }
    with asked(target, CHAT, body, target.plain, alone=False) as answer:
        message = message_of(answer.text())
        latency = answer.elapsed
    answered_by = answer.headers.get("x-litellm-model-id", "")
    if answer.status == 200 and answered_by not in {
        deployment.id for deployment in target.deployments
    }:
        raise Failed(
            f"a request that is wrong was {ELSEWHERE} {answered_by or 'nobody who says so'} "
            f"instead of being refused; see whether models.{target.model}.on_refusal lets it go on"
        )
    if answer.status not in (200, 400):
        raise Failed(explain(answer.status, message, target.deployments))
    return Measured("", latency)


def unknown(target: Target, path: str, body: Mapping[str, object] | Form) -> Measured:
    """The provider itself says that it does not know ``target.model``: path and key are right.

    Nothing is generated, so it costs nothing. A server that accepts any name may also answer.
    """
    with asked(target, path, body, target.plain, alone=True) as answer:
        text = answer.text()
        latency = answer.elapsed
        if answer.status == 200:
            return Measured(instance_of(answer.headers, target), latency)
    message = message_of(text)
    if answer.status not in (400, 404):
        raise Failed(
            explain(answer.status, message, target.deployments),
            timed_out=timed_out(answer.status, message),
        )
    # Services word it in many ways, some with 400; the error for an unknown path does not mention
    # models.
    if "model" not in said_by_provider(message).lower():
        first = target.deployments[0]
        raise Failed(
            f"asked for a model that nobody has, {first.instance} ({first.url}) does not say so "
            f"({answer.status}: {one_line(message, 120)}); correct providers.{first.provider}.url"
        )
    instances = {deployment.instance for deployment in target.deployments}
    return Measured(instances.pop() if len(instances) == 1 else "", latency)
