"""The shape of a client's key in ``stack.yaml``, and of an issued key in ``keys.json``."""

from __future__ import annotations

from datetime import date

from pydantic import Field

from llmrack.stack.types import Closed, PublicName, Sha256


class Key(Closed):
    """A key of a client's own; its value is in no file, ``llmrack keys issue`` prints it once."""

    models: tuple[PublicName, ...] = Field(
        (),
        description="What may be asked for with it: names of models, tiers, mixes and aliases, "
        "or a beginning with * behind it. Unset: everything.",
        examples=[["llama3.1:latest", "eco"]],
    )
    expires: date | None = Field(
        None,
        description="The last day on which it is good, in UTC. Unset: it does not expire.",
        examples=["2027-06-30"],
    )
    rpm: int | None = Field(
        None, ge=1, description="Most requests in a minute, on each gateway.", examples=[60]
    )


class IssuedKey(Closed):
    """An entry of ``keys.json``: the hash of a key, and when it was made (ISO 8601, UTC)."""

    sha256: Sha256
    issued: str
