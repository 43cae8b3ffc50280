"""Rendering of ``templates/``; a name without a value is an error."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from llmrack.resources.script import TEMPLATES


@cache
def _environment() -> Environment:
    # What is rendered are unit files, YAML and nft rules, for which HTML escaping would be wrong.
    return Environment(  # noqa: S701
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
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
