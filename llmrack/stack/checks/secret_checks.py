"""Checks of secrets: each one that is named must have a value."""

from __future__ import annotations

from collections.abc import Iterator

from llmrack.problems import CauseAndWayOut, Problem
from llmrack.stack.declaration import Declaration


def of_providers(d: Declaration) -> Iterator[Problem]:
    """Keys and headers of providers whose secret is not set."""
    for name, provider in d.stack.providers.items():
        remote = provider.remote
        if remote is None or not provider.enabled:
            continue
        for secret in remote.secrets:
            if reason := missing_secret(d, secret):
                yield d.problem(f"providers.{name}.{remote.place_of(secret)}", *reason)


def missing_secret(d: Declaration, secret: str) -> CauseAndWayOut | None:
    """Cause and way out if a secret has no value; None if it has one."""
    if secret in d.secrets:
        return None
    if at := d.placeholders.get(secret):
        return (
            f"what {at} has for the secret {secret} counts as a placeholder",
            f"put the key itself there, or run llmrack secrets set {secret}",
        )
    return (
        f"the secret {secret} is not set",
        f"run llmrack secrets set {secret}, or put {secret}=... into {d.env_file} "
        "(see .env.example) or into the environment",
    )
