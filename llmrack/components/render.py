"""Rendering of ``templates/``; a name without a value is an error."""

from __future__ import annotations

import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any
from zlib import crc32

import jinja2
from jinja2 import Environment, FileSystemBytecodeCache, FileSystemLoader, StrictUndefined
from jinja2.bccache import Bucket
from typing_extensions import override

from llmrack.resources.script import TEMPLATES

# What decides, beside its text, what a template compiles to.
_OPTIONS: dict[str, Any] = {
    "trim_blocks": True,
    "lstrip_blocks": True,
    "keep_trailing_newline": True,
}
_COMPILER = crc32(repr((jinja2.__version__, _OPTIONS)).encode())


class CompiledTemplates(FileSystemBytecodeCache):
    """Templates as Jinja has compiled them, kept where Python keeps compiled modules.

    To compile those of one host takes about 20 ms. These files hold no secret. Jinja compiles a
    template again when its text has changed.

    + folder: made when the first template is compiled; where it cannot be, nothing is kept
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder), f"%s.{_COMPILER:x}.cache")

    @override
    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep a compiled template, unless Python keeps no compiled modules either."""
        if not sys.dont_write_bytecode:
            with suppress(OSError):
                Path(self.directory).mkdir(exist_ok=True)
                super().dump_bytecode(bucket)


@cache
def _environment() -> Environment:
    # What is rendered are unit files, YAML and nft rules, for which HTML escaping would be wrong.
    return Environment(  # noqa: S701
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        bytecode_cache=CompiledTemplates(TEMPLATES / "__pycache__"),
        **_OPTIONS,
    )


def render(template: str, **names: object) -> str:
    """The text of ``template`` (a path below ``templates/``) with ``names`` filled in."""
    return _environment().get_template(template).render(names)


def verbatim(name: str) -> str:
    """A file below ``templates/`` that goes to hosts as it is."""
    return (TEMPLATES / name).read_text(encoding="utf-8")


def record(directory: str, unit: str, *files: str) -> str:
    """The command by which a unit notes the digests of its files at its start (resources.units).

    + directory: ``%t/llmrack`` in a user unit, ``/run/llmrack`` in a system unit
    + files: absolute paths
    """
    return f"/bin/sh -c 'mkdir -p {directory} && sha256sum {' '.join(files)} > {directory}/{unit}'"
