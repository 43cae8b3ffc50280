"""Finds secrets in plain text among LiteLLM's own settings: by a setting's name, or by the value.

Names and forms are those that LiteLLM 1.106.12 reads in its configuration and environment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmrack.stack.litellm import REFERENCE, Path

# Names of settings that hold a secret end like this.
_SECRET_NAME = re.compile(
    r"""(?ix)
    (api_?keys? | (^|[_-])(
        (access|secret|private|auth)_?key | key | token | secrets? | passwords? | passwd | pwd
        | passphrase | credentials? | authorization | auth | auth_value | cookies?
        | webhook_urls? | dsn | connection_string | licen[cs]e | bearer_token_\w+
        # Honeycomb's header with its key.
        | honeycomb[_-]team
    ))$"""
)
# Everything below such a name is a secret, too: a webhook for each kind of alert.
_SECRETS_BELOW = re.compile(r"(?i)(webhook_urls?|api_?keys|passwords|secrets)$")
# A number is only a secret if its name ends like this.
_PASSWORD_NAME = re.compile(r"(?i)(password|passwd|pwd|passphrase|secret)$")
# Names that end like those of secrets, but whose values are public.
_PUBLIC_NAME = re.compile(r"(?i)(public|cache|primary|partition|object)_?key$")
# A text with several headers in it, as OpenTelemetry takes them: name=value,name=value.
_HEADERS_NAME = re.compile(r"(?i)headers$")
_HEADERS = re.compile(r"[=:]")
# What stands in the place of a secret is none.
_SWITCH = re.compile(r"(?i)(true|false|yes|no|on|off|none)")
_NUMBER = re.compile(r"[+-]?\d*\.?\d+(e[+-]?\d+)?", re.IGNORECASE)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
# A value that is a secret under any name.
_SECRET_VALUE = re.compile(
    r"""(?ix)
    # Headers, alone (but no plain word, as in a description) or as name=value.
    ^(bearer|basic)\s+(?!(?-i:[a-z]+)$)\S+$ | [=:]\s*["']?(bearer|basic)(\s|%20)+\S
    # Addresses with a login, or with a key in the query.
    | ://[^/\s:@]*:[^/\s@]+@
    | [?&](api_?key|key|(access_?)?token|sig|signature|secret|password)=[^&\s]
    # Texts to connect with.
    | (account|shared_?access)_?key= | \b(password|pwd)=[^\s\\\[(.]
    # Webhooks, which are secrets as a whole.
    | hooks\.slack\.com/(services|workflows|triggers)/ | discord(app)?\.com/api/webhooks/
    | \.webhook\.office\.com/ | chat\.googleapis\.com/v1/spaces/
    # Keys that are known by how they begin.
    | \bsk-[\w-]{8} | \bxox[abprs]-\w | \bgh[pousr]_\w{20} | \bglpat-\w | \bhf_\w{20}
    | \bAIza[\w-]{30} | \blsv2_\w | \beyJ[\w-]{10,}\.eyJ | -----BEGIN\ [A-Z ]*PRIVATE\ KEY
    """
)
# Sections whose first names are the user's choice, and say nothing of what is below.
_CHOSEN_NAMES = ("mcp_servers", "callback_settings")
# In a mapping with a value, the name of the value.
_NAMES_OF_VALUE = ("key", "name")


def plain_secrets(sections: object, path: Path = ()) -> Iterator[Path]:
    """The paths of secrets in plain text; see is_secret.

    ``{key: Authorization, value: …}`` is read like ``Authorization: …``.
    """
    if isinstance(sections, list):
        for index, value in enumerate(sections):
            yield from plain_secrets(value, (*path, str(index)))
    elif isinstance(sections, dict):
        named = [name for name in _NAMES_OF_VALUE if isinstance(sections.get(name), str)]
        is_pair = bool(named) and isinstance(sections.get("value"), str | int | float)
        for key, value in sections.items():
            if is_pair and key == "value":
                if is_secret((*path, sections[named[0]]), value):
                    yield (*path, key)
            elif is_pair and key == named[0]:
                if is_secret((*path, "name"), value):
                    yield (*path, key)
            else:
                yield from plain_secrets(value, (*path, str(key)))
    elif is_secret(path, sections):
        yield path


def is_secret(path: Path, value: object) -> bool:
    """Whether a value is a secret by the names on its path, or by its form."""
    names = [_CAMEL.sub("_", part) for part in path if not part.isdigit()]
    name = names[-1] if names else ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _PASSWORD_NAME.search(name) is not None
    if not isinstance(value, str) or not value or REFERENCE in value or _SWITCH.fullmatch(value):
        return False
    if _NUMBER.fullmatch(value):
        return _PASSWORD_NAME.search(name) is not None
    if _SECRET_VALUE.search(value):
        return True
    if _HEADERS_NAME.search(name):
        return _HEADERS.search(value) is not None
    above = names[2 if path[0] in _CHOSEN_NAMES else 1 : -1]
    by_name = _SECRET_NAME.search(name) and not _PUBLIC_NAME.search(name)
    return bool(by_name) or any(map(_SECRETS_BELOW.search, above))
