"""The files of a project that its backup has: declarations, but nothing that llmrack ships."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import yaml

from llmrack.site.known_cards import KNOWN
from llmrack.site.site import Site

# The files that pin the gateway's packages by version and SHA-256.
PINS = ("requirements.in", "requirements.txt", "uv.in", "uv.txt")


def contents(site: Site, inventory: str, folder: Path, with_env: bool) -> list[str]:
    """The names of the files, sorted: relative to ``folder``, or absolute outside of it.

    + with_env: whether to include the file with keys in clear
    """
    wanted = {_name(path, folder) for path in _files(site, inventory, folder) if path.is_file()}
    env = _name(site.places.env_file, folder)
    if with_env and site.places.env_file.is_file():
        return sorted(wanted | {env})
    return sorted(wanted - {env})


def _files(site: Site, inventory: str, folder: Path) -> Iterator[Path]:
    stack_file, places = folder / site.declaration.stack_file, site.places
    # @local has no inventory file.
    yield folder / inventory
    for parent in {folder, (folder / inventory).parent}:
        yield from parent.glob("group_data/*.py")
    yield from (folder / "templates" / "gateway" / name for name in PINS)
    yield from (stack_file, site.keys_file, places.vault, places.audit, folder / KNOWN)
    yield places.env_file
    for provider in yaml.safe_load(stack_file.read_text(encoding="utf-8"))["providers"].values():
        if authority := provider.get("tls_ca"):
            yield stack_file.parent / authority
    yield from (folder / name for host in site.fleet.hosts if (name := host.settings.ca_file))
    for model in site.stack.models.values():
        if model.create:
            yield from (folder / local.file for local in model.create.files)


def _name(path: Path, folder: Path) -> str:
    plain = Path(os.path.normpath(path.absolute()))
    base = folder.absolute()
    return plain.relative_to(base).as_posix() if plain.is_relative_to(base) else str(plain)
