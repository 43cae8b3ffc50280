"""Reads YAML with the line of every key path, for messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from llmrack.problems import DeclarationError, Problem, unusable

Lines = Mapping[tuple[str, ...], int]
# Far more than the largest stack has; references to references make more of a few lines.
_MOST_ENTRIES = 100_000
# The tag of a key that is a text, and the tag of "<<".
_TEXT = ("tag:yaml.org,2002:str", "tag:yaml.org,2002:merge")


def parse_yaml(name: str, text: str) -> tuple[Any, Lines, list[Problem]]:
    """The data of a YAML text, the 1-based line of every key path, and keys that stand twice.

    + name: the file's name in messages

    The data is None for an empty text. If a key stands twice, YAML silently takes the last one.
    Raises DeclarationError for what is no YAML, for a key that is no text, for references that
    repeat too much, and for too deep a nesting.
    """
    try:
        # Not libyaml's loader, which is quicker: a file that is nested deeply ends the process.
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            return None, {}, []
        reader = _Reader(name)
        reader.walk(node, ())
        if reader.wrong:
            raise DeclarationError(reader.wrong)
        return loader.construct_document(node), reader.lines, reader.repeated
    except RecursionError:
        raise unusable(name, "is nested too deeply", "write it with fewer levels") from None
    except ValueError as error:
        # PyYAML reads what looks like a date as one.
        raise unusable(name, f"has a date that is in no calendar ({error})", "correct it") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        cause = f"is not YAML ({getattr(error, 'problem', None) or 'cannot be parsed'})"
        line = mark.line + 1 if mark else 0
        raise DeclarationError(
            [Problem(name, "", cause, "mend indentation, quotes or colons there", line)]
        ) from None


class _Reader:
    """Walks through the nodes of a text.

    + lines: 1-based line of each key path
    + wrong: keys that are no text
    + repeated: keys that stand twice
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self.lines: dict[tuple[str, ...], int] = {}
        self.wrong: list[Problem] = []
        self.repeated: list[Problem] = []

    def walk(self, node: yaml.Node, path: tuple[str, ...]) -> None:
        self.lines.setdefault(path, node.start_mark.line + 1)
        if len(self.lines) > _MOST_ENTRIES:
            cause = f"has more than {_MOST_ENTRIES:,} entries"
            raise unusable(self._name, cause, "repeat less by YAML's references (&name, *name)")
        if isinstance(node, yaml.MappingNode):
            self._walk_mapping(node, path)
        elif isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                self.walk(item, (*path, str(index)))

    def _walk_mapping(self, node: yaml.MappingNode, path: tuple[str, ...]) -> None:
        seen: set[str] = set()
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.tag not in _TEXT:
                cause = "has a key that is no text to YAML"
                place = ".".join(path)
                self.wrong.append(Problem(self._name, place, cause, "put it in quotes", line))
                continue
            inner = (*path, str(key.value))
            if key.value in seen:
                cause, place = "stands here twice", ".".join(inner)
                self.repeated.append(Problem(self._name, place, cause, "keep one of them", line))
            seen.add(str(key.value))
            self.lines[inner] = line
            self.walk(value, inner)
