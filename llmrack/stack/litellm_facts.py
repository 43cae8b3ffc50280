"""What the pinned LiteLLM knows of providers: ``litellm_providers.json``, made by `make lock`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("litellm_providers.json")


@dataclass(frozen=True)
class ModelList:
    """How a provider is asked for its models.

    + path: below its base address
    + header: the one that has the key
    + headers: the others that it needs
    """

    path: str
    header: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class ProviderFacts:
    """What LiteLLM knows of one provider.

    + kinds: the kinds of answers that it has, with the kind of client that LiteLLM takes for them
      (http, openai or azure)
    + openai: whether it is asked for chats in OpenAI's form
    + header: the header that LiteLLM sends the key in, ``bearer`` for a bearer token, or None
    + base: the address that LiteLLM asks by itself; None if there is none for all users
    + addresses: the variables that LiteLLM reads for an address, the first one that is set counts
    + list: None if LiteLLM knows no list of models
    + needs: LiteLLM's parameters that it cannot do without, with the names of their variables
    + settings, secrets: the provider's own parameters, and those whose values are secrets
    """

    kinds: Mapping[str, str]
    openai: bool
    header: str | None
    base: str | None
    addresses: tuple[str, ...]
    list: ModelList | None
    needs: Mapping[str, str]
    settings: tuple[str, ...]
    secrets: tuple[str, ...]


def litellm_version() -> str:
    """The release of LiteLLM that the facts are from."""
    return str(_read()["litellm"])


@cache
def provider_facts() -> dict[str, ProviderFacts]:
    """The facts on every provider, by LiteLLM's prefix."""
    return {prefix: _facts(entry) for prefix, entry in _read()["prefixes"].items()}


def _facts(entry: dict[str, Any]) -> ProviderFacts:
    shared = _read()
    listed = entry["list"]
    return ProviderFacts(
        kinds=entry["kinds"],
        openai=entry["openai"],
        header=entry["header"],
        base=entry["base"],
        addresses=tuple(entry["addresses"]),
        list=ModelList(**listed) if listed else None,
        needs=entry["needs"],
        settings=(*shared["settings"], *entry["settings"]),
        secrets=(*shared["secrets"], *entry["secrets"]),
    )


@cache
def _read() -> dict[str, Any]:
    read: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return read
