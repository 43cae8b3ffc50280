"""Scripts that download: they read the variables of their environment from standard input.

No command line shows the login of a proxy that way, and nothing of it lies on the host.
"""

from __future__ import annotations

from collections.abc import Mapping

from llmrack.resources.script import script_text
from llmrack.secrets.value import Secret
from llmrack.stack.proxy import Downloads


def with_variables(downloads: Downloads | None, script: str) -> str:
    """``script`` with the environment that ``variable_lines`` puts on its standard input."""
    return f"(\n{script_text('resources/read-variables.sh')}{script}\n)" if downloads else script


def variable_lines(downloads: Downloads | None, secrets: Mapping[str, Secret]) -> str:
    """What a script of ``with_variables`` reads first: a line for each variable, an empty line.

    + secrets: by name; the result may hold one
    """
    if downloads is None:
        return ""
    values = {name: secret.reveal() for name, secret in secrets.items()}
    lines = [f"{name}={value}" for name, value in downloads.variables(values).items()]
    return "".join(f"{line}\n" for line in [*lines, ""])
