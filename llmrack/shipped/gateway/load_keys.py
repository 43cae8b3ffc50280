"""Reads the keys from systemd's credential, which no process list and no child's environment shows.

The login of the proxy is such a key. If systemd is too old for that, the keys are in the
environment instead, by EnvironmentFile=.
"""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

CREDENTIAL = "gateway.env"
# The variable with the name of the secret that is the proxy's login.
PROXY_LOGIN = "LLMRACK_PROXY_LOGIN"
# A quoted value; the rest of its line is ignored.
QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"|\'([^\']*)\'')


def load_keys() -> None:
    """Put the keys of the credential ``gateway.env``, if there is one, into ``os.environ``.

    /proc/PID/environ still shows the environment that the process was started with, without keys.
    """
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if folder and (file := Path(folder, CREDENTIAL)).exists():
        # Libraries ask for this; the answer comes from a child, and only the first time.
        platform.processor()
        os.environ.update(parse(file.read_text()))
    _add_login()


def _add_login() -> None:
    """Put the login of the proxy, which is a secret, into the proxy's address."""
    login = os.environ.get(os.environ.get(PROXY_LOGIN, ""))
    scheme, separator, rest = os.environ.get("HTTPS_PROXY", "").partition("://")
    if login and separator and "@" not in rest:
        os.environ["HTTPS_PROXY"] = f"{scheme}://{login}@{rest}"


def parse(text: str) -> dict[str, str]:
    """The variables of a systemd EnvironmentFile, by name.

    Quotes and comments as in systemd.exec(5), each value on one line.
    """
    variables = {}
    for line in text.splitlines():
        name, separator, value = line.strip().partition("=")
        if separator and name[:1] not in "#;":
            variables[name.strip()] = _unquoted(value.strip())
    return variables


def _unquoted(value: str) -> str:
    match = QUOTED.match(value)
    if not match:
        return re.sub(r"\\(.)", r"\1", value)
    double, single = match.groups()
    return single if double is None else re.sub(r'\\(["\\`$])', r"\1", double)
