"""Programs that run on hosts or in a gateway's release.

They import nothing of llmrack's other rooms.
"""

import re
from pathlib import Path

_FUTURE = re.compile(r"^from __future__ import .*\n", re.MULTILINE)
_IMPORT = re.compile(r"^from (llmrack\.shipped\.[\w.]+) import (?:\([^)]*\)|.*)\n", re.MULTILINE)


def program(module: str) -> str:
    """The text of a program that needs no other file of llmrack.

    The text of each module of this package that it imports stands in place of the import. Their
    names at the top must therefore differ.

    + module: its full name, as in ``llmrack.shipped.host.status``
    """
    return _IMPORT.sub(lambda found: _FUTURE.sub("", program(found[1])), _text(module))


def package(name: str) -> dict[str, str]:
    """The texts of a package's modules, by their paths with the package first, sorted."""
    folder = Path(__file__).parent
    modules = sorted(path.relative_to(folder) for path in (folder / name).rglob("*.py"))
    return {str(path): (folder / path).read_text(encoding="utf-8") for path in modules}


def _text(module: str) -> str:
    path = Path(__file__).parents[2] / f"{module.replace('.', '/')}.py"
    return path.read_text(encoding="utf-8")
