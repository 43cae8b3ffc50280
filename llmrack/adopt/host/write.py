"""The texts of what is proposed for a host, and the files that hold them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llmrack.adopt.host.proposal import Proposal
from llmrack.adopt.host.target import Target
from llmrack.adopt.write import INVENTORY, STACK, insist_on_room, stack_text
from llmrack.files import replace_file

_HEAD = '"""Proposed by `llmrack adopt {name}`. docs/adopt.md explains it."""\n\n'


def inventory_text(target: Target, settings: Mapping[str, Any]) -> str:
    """An inventory with the host alone: it runs the models, and the gateway in front of them."""
    name = _python(target.name)
    lines = []
    if target.left_out:
        beside = ", ".join(target.left_out)
        lines.append(f"# {target.inventory} also sets {beside} for it: add that here.\n")
    values = {**target.data, **settings}
    if values:
        lines.append(f"_host = (\n    {name},\n    {{\n")
        lines += [f"        {_python(key)}: {_python(value)},\n" for key, value in values.items()]
        lines.append("    },\n)\n")
    else:
        lines.append(f"_host = {name}\n")
    return "".join([*lines, "\ngpu = [_host]\ngateway = [_host]\n"])


def write(target: Target, proposal: Proposal, folder: Path) -> list[str]:
    """Write the inventory, and the stack if there are models; returns the names of the files.

    Raises DeclarationError if one is there already, and OSError.
    """
    insist_on_room(folder)
    folder.mkdir(parents=True, exist_ok=True)
    text = _HEAD.format(name=target.name) + inventory_text(target, proposal.settings)
    replace_file(folder / INVENTORY, text, 0o644)
    if not proposal.stack:
        return [INVENTORY]
    replace_file(folder / STACK, stack_text(proposal.stack, target.name), 0o644)
    return [INVENTORY, STACK]


def stack_of(proposal: Proposal) -> str:
    """``stack.yaml`` as it is printed, without the head of the file."""
    return stack_text(proposal.stack, "").partition("\n\n")[2]


def _python(value: object) -> str:
    """A value as Python has it, with the quotes that the shipped inventory has."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, dict):
        pairs = (f"{_python(key)}: {_python(inner)}" for key, inner in value.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_python, value))}]"
    return repr(value)
