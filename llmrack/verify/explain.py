"""What LiteLLM's errors mean for the one who has to mend them.

The wordings were seen with LiteLLM 1.106.2 (prefixes ollama_chat, openai, hosted_vllm). It hides
addresses in them ("host REDACTED"), so the declared one is named instead.
"""

from __future__ import annotations

from collections.abc import Sequence

from llmrack.stack.deployments import Deployment
from llmrack.verify.results import one_line

KEY_REFUSED = "the gateway refuses its own master key; deploy it again, so that both ends agree"

# "Connection error." is all that the openai prefix says, for TLS and unknown names as well.
_UNREACHABLE = ("cannot connect", "connect call failed", "connection refused", "connection error")

# How a cool-down is told; it ends by itself.
ASIDE = "aside for a while"


def refused_by_gateway(status: int, message: str) -> bool:
    """Whether the gateway itself turned the key down.

    Without a database, LiteLLM answers a wrong key with 400 "No connected db." and a missing one
    with 401 "Authentication Error, ..."; a provider's refusal reads "litellm.SomeError: ...".
    """
    if status in (401, 403):
        return not message.startswith("litellm.")
    return status == 400 and "No connected db" in message


def explain(status: int, message: str, deployments: Sequence[Deployment]) -> str:
    """Cause and way out for an error that a gateway gave.

    + status: HTTP status; that of the stream's error where it came inside a stream
    + message: LiteLLM's text
    + deployments: those that could have answered, all of one model
    """
    one = deployments[0]
    where = " or ".join(f"{each.instance} ({each.url})" for each in deployments)
    text = message.lower()
    if refused_by_gateway(status, message):
        return KEY_REFUSED
    if "certificate" in text:
        return (
            f"{where} shows a certificate that the gateway's host does not trust; "
            "install its CA on that host"
        )
    if "name or service not known" in text:
        return f"the gateway's host finds no address for {where}; correct the name or its DNS"
    if any(words in text for words in _UNREACHABLE):
        return (
            f"the gateway cannot connect to {where}; see whether it runs, "
            "whether a firewall is between, and whether its certificate is trusted"
        )
    if status in (408, 504) or "litellm.timeout" in text:
        return (
            f"{where} did not answer the gateway in time; see its journal, or raise the timeouts "
            f"of models.{one.model}"
        )
    if status in (401, 403) or "authenticationerror" in text:
        way_out = (
            f"put a valid {one.secret} into .env and deploy again"
            if one.secret
            else f"name its secret in providers.{one.provider}.api_key"
        )
        return f"{where} refuses the key ({status}); {way_out}"
    if status == 404 or "notfounderror" in text:
        return (
            f"{where} does not know the model {one.upstream!r} (404); "
            f"correct models.{one.model}.model, or pull it there"
        )
    if "invalid model name" in text:
        return f"the gateway does not know {one.model!r}; deploy it again and see its journal"
    if "no deployments available" in text:
        return f"the gateway has set {where} {ASIDE} after failures; mend those, then verify again"
    if status == 429:
        return (
            f"{where} is overloaded or its quota is used up (429: {one_line(message, 120)}); wait"
        )
    return f"{where} failed ({status}: {one_line(message, 160)}); see its journal"
