"""Writes what was adopted into a folder, and changes nothing that is there."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from llmrack.adopt.adopt import Adopted
from llmrack.files import replace_file
from llmrack.problems import unusable
from llmrack.secrets import audit, identities, store
from llmrack.secrets.places import Places
from llmrack.stack.yaml_text import WithoutReferences

STACK, INVENTORY, VAULT = "stack.yaml", "inventory", "secrets.age"
_AUDIT = "secrets.audit.jsonl"
_STACK_HEAD = """\
# Taken over from {name} by `llmrack adopt`. docs/declare.md explains every key.

"""
_INVENTORY = '''\
"""Taken over from {name} by `llmrack adopt`: the gateway runs on this machine.

To run it on another one, name that one here, with what ssh needs:

    gateway = [("box1", {{"ssh_hostname": "192.168.1.21", "ssh_user": "root"}})]
"""

gateway = [{host}]
'''


def insist_on_room(folder: Path) -> None:
    """Raise DeclarationError if a file is there that would be written."""
    present = [n for n in (STACK, INVENTORY, VAULT, _AUDIT) if os.path.lexists(folder / n)]
    if present:
        cause = f"has {', '.join(present)} already, and nothing that exists is changed"
        raise unusable(folder, cause, "name another folder with -o FOLDER")


def write(adopted: Adopted, folder: Path, name: str) -> Path | None:
    """Write the stack, the inventory and the vault.

    + name: the adopted file, for the heads of the written ones

    Returns the file of an identity that was made for the vault; None if the user had one, or if
    there are no secrets. Raises DeclarationError and OSError.
    """
    insist_on_room(folder)
    folder.mkdir(parents=True, exist_ok=True)
    made = _write_vault(adopted, Places(folder / ".env", folder / VAULT))
    replace_file(folder / STACK, stack_text(adopted.stack, name), 0o644)
    host = f'("@local", {json.dumps(adopted.settings)})' if adopted.settings else '"@local"'
    text = _INVENTORY.format(name=_on_one_line(name), host=host)
    replace_file(folder / INVENTORY, text, 0o644)
    return made


def _write_vault(adopted: Adopted, places: Places) -> Path | None:
    if not adopted.secrets:
        return None
    made = None
    keys = identities.public_keys()
    if not keys:
        made, key = identities.generate()
        keys = [key]
    store.init(places, {keys[0]: audit.who()})
    store.set_values(places, adopted.secrets, "adopt")
    return made


def stack_text(stack: Mapping[str, Any], name: str) -> str:
    """The text of ``stack.yaml``."""
    parts = [_STACK_HEAD.format(name=_on_one_line(name))]
    for key, value in stack.items():
        # LiteLLM's own settings are nested more deeply than llmrack's.
        flow = None if isinstance(value, dict) and key != "litellm" else False
        parts.append(
            yaml.dump(
                {key: value},
                Dumper=WithoutReferences,
                sort_keys=False,
                default_flow_style=flow,
                allow_unicode=True,
                width=100,
            )
        )
    return "\n".join(parts).replace("\n\n\n", "\n\n")


def _on_one_line(name: str) -> str:
    printable = "".join(character if character.isprintable() else "?" for character in name)
    return printable.replace('"', "?").replace("\\", "?")
