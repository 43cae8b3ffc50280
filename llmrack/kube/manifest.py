"""Objects as people read and keep them: YAML."""

from __future__ import annotations

from collections.abc import Iterable

import yaml

from llmrack.kube.form import Object
from llmrack.stack.yaml_text import WithoutReferences


def as_yaml(objects: Iterable[Object]) -> str:
    """Objects as one text, with texts of several lines as such."""
    return "---\n".join(_dumped(one) for one in objects)


def _dumped(one: Object) -> str:
    text: str = yaml.dump(one, Dumper=_Readable, sort_keys=False, width=float("inf"))
    return text


class _Readable(WithoutReferences):
    """Writes texts of several lines in blocks."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Readable.add_representer(str, _text)
