"""Which kind of provider asks what LiteLLM asks by a prefix, and at which address."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from llmrack.stack.litellm_facts import ProviderFacts, provider_facts
from llmrack.stack.litellm_provider import KIND_OF_PREFIX

# Prefixes of servers that speak OpenAI's API below an address of the user's.
_OPENAI_FORM = ("lm_studio", "litellm_proxy", "llamafile", "docker_model_runner", "lemonade")
# Beginnings of names that LiteLLM knows without a prefix, and the prefix that it uses for them
# (get_llm_provider_logic.py of 1.106.12).
_KNOWN_NAMES = {
    "openai": (
        *("gpt-", "chatgpt-", "o1", "o3", "o4-", "text-embedding-", "dall-e-", "whisper-1"),
        *("tts-1", "ft:gpt-", "omni-moderation", "davinci-", "babbage-"),
    ),
    "anthropic": ("claude-",),
}
_OLLAMA_CLOUD = ("ollama.com", "www.ollama.com", "api.ollama.com")
# The address of a server that is asked without any.
_USUAL_ADDRESSES = {
    "openai": "https://api.openai.com/v1",
    "ollama": "http://127.0.0.1:11434",
    "ollama_chat": "http://127.0.0.1:11434",
}
# Variables that LiteLLM reads for a setting, beside the one that its list names; and what it takes
# without any (AZURE_DEFAULT_API_VERSION of 1.106.12).
_VARIABLES = {
    ("gemini", "api_key"): ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    ("bedrock", "aws_region_name"): ("AWS_REGION_NAME", "AWS_REGION", "AWS_DEFAULT_REGION"),
    ("bedrock", "aws_session_token"): ("AWS_SESSION_TOKEN",),
    ("vertex_ai", "vertex_project"): ("VERTEXAI_PROJECT", "VERTEX_PROJECT"),
    ("vertex_ai", "vertex_location"): ("VERTEXAI_LOCATION", "VERTEX_LOCATION"),
    ("vertex_ai", "vertex_credentials"): ("VERTEXAI_CREDENTIALS", "VERTEX_CREDENTIALS"),
}
DEFAULTS = {("azure", "api_version"): "2025-02-01-preview"}


@dataclass(frozen=True)
class Asked:
    """How LiteLLM asks for a model.

    + prefix: LiteLLM's word for the provider
    + upstream: the provider's own name of the model
    + url: the address; None if LiteLLM knows it
    + label: the name of the server's host; empty if it has none
    """

    prefix: str
    upstream: str
    url: str | None
    label: str = ""


def parse_model(model: str, prefix: str | None, url: str | None) -> Asked | None:
    """How LiteLLM asks for ``model``; None if it would not know either.

    + prefix: ``custom_llm_provider``
    """
    if prefix:
        return Asked(prefix, model.removeprefix(f"{prefix}/"), url)
    first, slash, rest = model.partition("/")
    if slash and rest:
        return Asked(first, rest, url)
    for known_prefix, beginnings in _KNOWN_NAMES.items():
        if model.startswith(beginnings):
            return Asked(known_prefix, model, url)
    return None


def address_variables(prefix: str) -> tuple[str, ...]:
    """The variables with the address of a server; the first one that is set counts."""
    facts = provider_facts().get(prefix)
    return facts.addresses if facts else ()


def usual_address(prefix: str) -> str | None:
    """The address of a server that is asked without any; None if LiteLLM or nobody knows it."""
    return _USUAL_ADDRESSES.get(prefix)


def kind_of(prefix: str, url: str | None) -> dict[str, Any] | None:
    """The kind of provider and its address; None if there is no kind for the prefix."""
    try:
        host = urlsplit(url).hostname if url else ""
    except ValueError:
        # The check of the provider says what is wrong with it.
        host = ""
    kind = KIND_OF_PREFIX.get(prefix, "openai-compatible" if prefix in _OPENAI_FORM else "")
    if kind == "ollama-remote" and host in _OLLAMA_CLOUD:
        return {"kind": "ollama-cloud"}
    if kind:
        return {"kind": kind, "url": url} if url else None
    if prefix not in provider_facts():
        return None
    return {"kind": "litellm", "prefix": prefix, **({"url": url} if url else {})}


def has_address(prefix: str) -> bool:
    """Whether servers of this prefix are at addresses of their users."""
    return prefix in KIND_OF_PREFIX or prefix in _OPENAI_FORM


def speaks_openai(provider: dict[str, Any]) -> bool:
    """Whether LiteLLM asks a declared provider in OpenAI's form."""
    if provider["kind"] == "litellm":
        return provider_facts()[provider["prefix"]].openai
    return provider["kind"] in (KIND_OF_PREFIX["openai"], KIND_OF_PREFIX["hosted_vllm"])


def facts_of(prefix: str) -> ProviderFacts | None:
    """What LiteLLM knows of a service with a kind through it; None for other kinds."""
    return None if has_address(prefix) else provider_facts().get(prefix)


def variables_of(prefix: str, facts: ProviderFacts) -> dict[str, tuple[str, ...]]:
    """By setting, the variables that LiteLLM reads where the configuration does not give it."""
    needed = {name: (variable,) for name, variable in facts.needs.items() if variable}
    others = {name: names for (service, name), names in _VARIABLES.items() if service == prefix}
    return needed | others
