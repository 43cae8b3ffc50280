"""Adds models to the text of a stack file, and changes no other byte of it."""

from __future__ import annotations

from collections.abc import Mapping

import yaml


class NoRoom(Exception):
    """Models cannot be added to a text: cause and way out."""


def with_models(text: str, models: Mapping[str, Mapping[str, object]]) -> str:
    """``text`` with ``models`` after the last entry of its ``models:``.

    + text: a whole stack file, which is valid YAML
    + models: the new entries, by public name

    Comments, order, indentation and line ends stay as they are. Raises NoRoom.
    """
    if not models:
        return text
    key, value = _models(text)
    if value.flow_style and value.value:
        raise NoRoom(
            f"models: is written in braces (line {value.start_mark.line + 1}); "
            "write one model a line below it, indented, without the braces"
        )
    newline = "\r\n" if "\r\n" in text else "\n"
    if value.value:
        column, at = value.value[0][0].start_mark.column, _end(text, value)
    else:
        # The braces are removed, the rest of the line stays.
        column, at = key.start_mark.column + 2, _end_of_line(text, value.end_mark.index)
        start = value.start_mark.index
        after = text[value.end_mark.index : at]
        text = text[:start].rstrip(" ") + after + text[at:]
        at = len(text[:start].rstrip(" ")) + len(after)
    before, rest = text[:at], text[at:]
    if not before.endswith("\n"):
        before += newline
    return before + newline.join(_lines(models, column)) + newline + rest


def _models(text: str) -> tuple[yaml.Node, yaml.MappingNode]:
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    for key, value in root.value if isinstance(root, yaml.MappingNode) else ():
        if key.value == "models" and isinstance(value, yaml.MappingNode):
            return key, value
    raise NoRoom("there is no models: with entries; write `models: {}`")


def _lines(models: Mapping[str, Mapping[str, object]], column: int) -> list[str]:
    dumped = yaml.safe_dump(
        {name: dict(entry) for name, entry in models.items()},
        sort_keys=False,
        default_flow_style=None,
        allow_unicode=True,
        width=10_000,
    )
    return [" " * column + line for line in dumped.splitlines()]


def _end(text: str, node: yaml.Node) -> int:
    """The index at which the line after a node begins.

    The end mark of a block is at the next token, behind comments that do not belong to the block.
    """
    last = node
    while isinstance(last, yaml.MappingNode | yaml.SequenceNode) and not last.flow_style:
        before = last.value[-1][0] if isinstance(last, yaml.MappingNode) else last
        last = last.value[-1][1] if isinstance(last, yaml.MappingNode) else last.value[-1]
        if last.start_mark.index < before.start_mark.index:
            # For an alias (*name) yaml gives the node that it stands for, which is somewhere else.
            return _end_of_line(text, before.end_mark.index)
    end = last.end_mark
    # The end mark of a text in several lines (|, >) is after its last line.
    return end.index if end.column == 0 else _end_of_line(text, end.index)


def _end_of_line(text: str, index: int) -> int:
    newline = text.find("\n", index)
    return len(text) if newline < 0 else newline + 1
