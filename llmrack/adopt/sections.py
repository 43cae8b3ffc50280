"""Sections of an adopted configuration, from which parts are removed and in which others change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llmrack.adopt.notes import Path
from llmrack.stack import litellm

VARIABLES = "environment_variables"


class Sections:
    """Sections of a configuration, whose parts keep the paths that they have in the file.

    An entry of a list gets another number when one before it is removed.

    + data: the sections, as they are now
    + files: by variable, the other file that has it
    """

    def __init__(self, data: dict[str, Any]) -> None:
        self.data: dict[str, Any] = _copied(data)
        self.files: dict[str, str] = {}
        # By the identity of a list, the numbers of its entries in the file.
        self._numbers: dict[int, list[str]] = {}
        self._number(self.data)

    def _number(self, node: object) -> None:
        if isinstance(node, list):
            self._numbers[id(node)] = [str(index) for index in range(len(node))]
        inside = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
        for value in inside:
            self._number(value)

    def values(self) -> list[tuple[Path, object]]:
        """Every value that is no mapping and no list, with its path."""
        return list(litellm.values(self.data))

    def paths(self) -> list[Path]:
        """The path of every part, and of the whole."""
        return list(_every_path(self.data, ()))

    def part(self, *path: str) -> Any:  # noqa: ANN401  (YAML's)
        """A part; None if there is none at this path."""
        node: Any = self.data
        for word in path:
            if isinstance(node, list) and word.isdigit() and int(word) < len(node):
                node = node[int(word)]
            elif isinstance(node, dict) and word in node:
                node = node[word]
            else:
                return None
        return node

    def place(self, path: Path) -> tuple[Path, str]:
        """The path that a part has in the file, or the name of a variable in another file.

        The second value is the name of that other file; else empty.
        """
        if path[:1] == (VARIABLES,) and path[1:2] and path[1] in self.files:
            return path[1:], self.files[path[1]]
        words: list[str] = []
        for index, word in enumerate(path):
            around = self.part(*path[:index])
            if isinstance(around, list):
                words += self._numbers[id(around)][int(word) :][:1]
            else:
                words.append(word)
        return tuple(word for word in words if word), ""

    def replace(self, path: Path, value: object) -> None:
        """Put another value in the place of one."""
        around = self.part(*path[:-1])
        if isinstance(around, list):
            around[int(path[-1])] = value
        else:
            around[path[-1]] = value

    def wrap(self, path: Path) -> None:
        """Make a value the only entry of a list."""
        entries = [self.part(*path)]
        self._numbers[id(entries)] = [""]
        self.replace(path, entries)

    def remove(self, path: Path) -> bool:
        """Remove a part, and what is empty without it. Returns whether it was there."""
        around = self.part(*path[:-1])
        if not path or not self._has(path):
            return False
        if isinstance(around, list):
            del around[int(path[-1])], self._numbers[id(around)][int(path[-1])]
        else:
            del around[path[-1]]
        if path[:-1] and not around:
            self.remove(path[:-1])
        return True

    def _has(self, path: Path) -> bool:
        """Whether there is a part at this path, even one without a value."""
        around = self.part(*path[:-1])
        if isinstance(around, list):
            return path[-1].isdigit() and int(path[-1]) < len(around)
        return isinstance(around, dict) and path[-1] in around


def _copied(node: Any) -> Any:  # noqa: ANN401  (YAML's)
    """A copy in which parts that YAML's references share are apart."""
    if isinstance(node, dict):
        return {str(key): _copied(value) for key, value in node.items()}
    return [_copied(value) for value in node] if isinstance(node, list) else node


def _every_path(node: object, path: Path) -> Iterator[Path]:
    yield path
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _every_path(value, (*path, str(key)))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _every_path(value, (*path, str(index)))
