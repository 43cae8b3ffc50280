"""Scripts that run on hosts: files below ``templates/``, whose values are arguments."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from shlex import quote

TEMPLATES = Path(__file__).parents[2] / "templates"

_COMMENT = re.compile(r"^ *#.*\n", re.MULTILINE)
_INCLUDE = re.compile(r"^\. (\S+)\n", re.MULTILINE)


def script_file(name: str, *arguments: str | int) -> str:
    """The text by which ``sh`` runs a script with ``arguments``, in a subshell.

    + name: a path below ``templates/``
    + arguments: never a secret; secrets travel on standard input

    A subshell keeps variables, traps and ``exit`` inside, as a file of its own would. The text is
    not quoted (as ``sh -c`` would need it), so it stays short when it is quoted on its way.
    """
    words = " ".join(quote(str(argument)) for argument in arguments)
    return f"(\nset -- {words}\n{script_text(name)})"


@cache
def script_text(name: str) -> str:
    """A script without its comments; a line ``. NAME`` is replaced by that script.

    Nothing has to lie on the host, and shellcheck still follows such lines. A line that begins
    with ``#`` is always taken for a comment.
    """
    text = _COMMENT.sub("", (TEMPLATES / name).read_text(encoding="utf-8"))
    return _INCLUDE.sub(lambda line: script_text(line[1]), text)
