"""Checks the gateway's answers that need no model: health, the list of models, refused keys.

A check returns its measurement, or raises Failed.
"""

from __future__ import annotations

from collections.abc import Sequence

import httpx

from llmrack.secrets.value import Secret
from llmrack.stack.types import is_wildcard
from llmrack.verify.exchange import Bounds, Request, ask, dig
from llmrack.verify.explain import KEY_REFUSED, refused_by_gateway
from llmrack.verify.probes import GATEWAY, Measured, bearer, message_of
from llmrack.verify.results import Failed, one_line

# A gateway that systemd is just starting behind its socket takes some seconds.
OWN = Bounds(30, 30)


def health(client: httpx.Client) -> Measured:
    """The gateway is alive and ready."""
    # Not /health: it generates on every model, paid ones too.
    for path in ("/health/liveliness", "/health/readiness"):
        with ask(client, Request(path), GATEWAY, OWN) as answer:
            if answer.status != 200:
                raise Failed(
                    f"{path} answers {answer.status}: {one_line(answer.text(), 120)}; "
                    "see the journal of its unit"
                )
            answer.text()
            latency = answer.elapsed
    return Measured("", latency)


def models(client: httpx.Client, key: Secret, names: Sequence[str]) -> Measured:
    """The gateway lists exactly the declared names."""
    # For a wildcard LiteLLM lists the models that it knows of the provider; with this parameter it
    # lists the wildcard as well (seen with 1.106.12).
    path = "/v1/models?return_wildcard_routes=true"
    with ask(client, Request(path, headers=bearer(key)), GATEWAY, OWN) as answer:
        if answer.status != 200:
            message = message_of(answer.text())
            if refused_by_gateway(answer.status, message):
                raise Failed(KEY_REFUSED)
            raise Failed(
                f"/v1/models answers {answer.status}: {one_line(message, 120)}; "
                "see the journal of its unit"
            )
        listed = dig(answer.json(), "data")
        latency = answer.elapsed
    served = {str(dig(model, "id")) for model in listed} if isinstance(listed, list) else set()
    prefixes = tuple(name.removesuffix("*") for name in names if is_wildcard(name))
    stray = {name for name in served - set(names) if not (prefixes and name.startswith(prefixes))}
    differences = [
        f"{difference}: {', '.join(sorted(unexpected))}"
        for difference, unexpected in (("missing", set(names) - served), ("not declared", stray))
        if unexpected
    ]
    if differences:
        raise Failed(
            f"/v1/models is not what is declared ({'; '.join(differences)}); "
            "deploy the gateway again"
        )
    return Measured("", latency)


def refused(client: httpx.Client, headers: dict[str, str]) -> Measured:
    """The gateway refuses a wrong key, or none."""
    with ask(client, Request("/v1/models", headers=headers), GATEWAY, OWN) as answer:
        message = message_of(answer.text())
        if not refused_by_gateway(answer.status, message):
            raise Failed(
                f"not refused: /v1/models answers {answer.status}; "
                "see that general_settings.master_key is set in its config.yaml"
            )
        return Measured("", answer.elapsed)
