"""The variables that LiteLLM's integrations read by themselves, and those of the configuration."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from llmrack.adopt.environment import Environment, referred
from llmrack.adopt.keys import Keys
from llmrack.adopt.notes import Notes
from llmrack.adopt.sections import VARIABLES, Sections
from llmrack.adopt.variables import beginnings_of_variables
from llmrack.stack.litellm import CALLBACKS, REFERENCE, refused_variable
from llmrack.stack.litellm_secrets import is_secret

# Caches that read no variables.
_LOCAL_CACHES = ("local", "disk")
# Values that are no secrets: switches, numbers, and what stands in variables of these names.
_SWITCH_OR_NUMBER = re.compile(r"(?i)true|false|yes|no|on|off|none|\d+(\.\d+)?")
_PLAIN_NAME = re.compile(
    r"(PUBLIC_KEY|HOST|PORT|SITE|REGION|REGION_NAME|EXPORTER|PROTOCOL|SERVICE_NAME|ENVIRONMENT"
    r"|PROJECT|BUCKET_NAME)$"
)
# A part of a path that may be a key, as in the address of a webhook.
_LONG_WORD = re.compile(r"[\w-]{16}")


def _integrations(sections: Sections) -> Iterator[str]:
    """Names of callbacks, guardrails, caches, alerts and searches."""
    for kind in CALLBACKS:
        yield from _names(sections.part("litellm_settings", kind))
    for listed, name in (("guardrails", "guardrail"), ("search_tools", "search_provider")):
        entries = sections.part(listed)
        for index in range(len(entries) if isinstance(entries, list) else 0):
            yield from _names([sections.part(listed, str(index), "litellm_params", name)])
    cache = sections.part("litellm_settings", "cache_params")
    if cache or sections.part("litellm_settings", "cache"):
        cache_type = cache.get("type") if isinstance(cache, dict) else None
        # LiteLLM's usual cache.
        yield from _names([cache_type or "redis"] if cache_type not in _LOCAL_CACHES else [])
    if sections.part("router_settings", "cache_responses"):
        yield "redis"
    yield from _names(sections.part("general_settings", "alerting"))


def _names(listed: object) -> Iterator[str]:
    """The names in a list; a name with a dot is a module of the user's."""
    for name in listed if isinstance(listed, list) else []:
        if isinstance(name, str) and name and "." not in name:
            yield name


def add_variables(sections: Sections, environment: Environment, keys: Keys, notes: Notes) -> None:
    """Add the variables that the integrations of ``sections`` read by themselves.

    Those of the configuration itself become references where they are secrets. Those that a
    provider has already are left out.
    """
    section = sections.data.pop(VARIABLES, None)
    declared = section if isinstance(section, dict) else {}
    beginnings = tuple(
        beginning
        for integration in _integrations(sections)
        for beginning in beginnings_of_variables(integration)
    )
    variables: dict[str, object] = {}
    for name, value in declared.items():
        environment.value(name)
        path = (VARIABLES, name)
        if keys.has(name):
            notes.taken(path, f"the secret {name}")
        elif name in environment.addresses:
            notes.taken(path, "the url of the providers that take their address from it")
        elif (variable := referred(value)) or is_secret(path, value):
            variables[name] = f"{REFERENCE}{keys.named(variable or name)}"
        else:
            variables[name] = value if isinstance(value, dict | list) else str(value)
    for name in environment.names() if beginnings else ():
        if not name.startswith(beginnings) or name in declared or refused_variable(name):
            continue
        value = environment.revealed(name)
        if not value or keys.has(name) or name in environment.addresses:
            continue
        sections.files[name] = environment.place(name)
        variables[name] = value if _is_plain(name, value) else f"{REFERENCE}{keys.named(name)}"
    if variables:
        sections.data[VARIABLES] = variables


def _is_plain(name: str, value: str) -> bool:
    """Whether the value of a variable is certainly no secret."""
    if is_secret((VARIABLES, name), value):
        return False
    return bool(
        _SWITCH_OR_NUMBER.fullmatch(value) or _PLAIN_NAME.search(name) or _is_plain_address(value)
    )


def _is_plain_address(value: str) -> bool:
    """Whether a value is an address without a login, a query, and what may be a key."""
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    has_more = "@" in parts.netloc or parts.query or parts.fragment
    return bool(
        parts.scheme and parts.netloc and not has_more and not _LONG_WORD.search(parts.path)
    )
