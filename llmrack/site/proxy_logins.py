"""The logins of proxies: secrets with the form that they have in an address."""

from __future__ import annotations

import re
from collections.abc import Mapping

from llmrack.problems import Problem
from llmrack.secrets.value import StoredSecret
from llmrack.stack.fleet import Fleet
from llmrack.stack.proxies import logins

# The userinfo of an address (RFC 3986, 3.2.1).
_PART = r"([A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})"
_LOGIN = re.compile(rf"{_PART}+(:({_PART}|:)*)?")


def login_problems(fleet: Fleet, kept: Mapping[str, StoredSecret], env_file: str) -> list[Problem]:
    """A problem for each login of a proxy that has no value, or one that no address can have.

    + kept: the secrets that have a value, by name
    + env_file: name of the file with keys in clear
    """
    problems = []
    for name in logins(fleet):
        if name not in kept:
            problems.append(
                Problem(
                    "group_data",
                    "proxy_login",
                    f"the secret {name} is not set",
                    f"run llmrack secrets set {name}, or put {name}=... into {env_file}; its value "
                    "is USER:PASSWORD",
                )
            )
        elif not _LOGIN.fullmatch(kept[name].secret.reveal()):
            problems.append(
                Problem(
                    "group_data",
                    "proxy_login",
                    f"the secret {name} cannot stand in an address",
                    f"run llmrack secrets set {name}; its value is USER:PASSWORD with every other "
                    "sign as % and its code: @ as %40, / as %2F, \\ as %5C, % as %25",
                )
            )
    return problems
