"""The type of the setting ``replaces``: names of services of somebody else on a host.

An entry is a unit of the host's systemd (``ollama.service``), or a container of root's Docker or
Podman (``docker:ollama``).
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

CONTAINER_PROGRAMS = ("docker", "podman")
# systemd.unit(5); no template without an instance (as in name@.service).
_UNIT = re.compile(r"[A-Za-z0-9:_.\\-]+(@[A-Za-z0-9:_.@\\-]+)?\.(service|socket)")
# As Docker and Podman allow them.
_CONTAINER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,199}")
_OURS = "llmrack-"
# They run the containers of a host, and those of everybody else on it.
_CONTAINER_UNITS = ("docker", "containerd", "podman")


def program_and_name(entry: str) -> tuple[str, str]:
    """The parts of an entry: ``docker``, ``podman`` or an empty text, and the name itself."""
    program, separator, name = entry.partition(":")
    return (program, name) if separator and program in CONTAINER_PROGRAMS else ("", entry)


def _old_service(value: str) -> str:
    """An entry as it is declared. Raises ValueError."""
    entry = value.strip()
    program, name = program_and_name(entry)
    if program:
        if not _CONTAINER.fullmatch(name):
            raise ValueError(
                f"names no container; write its name as `{program} ps` shows it, as in "
                f"{program}:ollama"
            )
        return entry
    if not _UNIT.fullmatch(entry) or len(entry) > 255:
        raise ValueError(
            "has an entry that names neither a unit nor a container; write ollama.service, "
            "docker:NAME or podman:NAME"
        )
    if entry.startswith(_OURS):
        raise ValueError(
            f"names {entry}, which is llmrack's own; leave it out (`pyinfra INVENTORY remove.py` "
            "removes what llmrack made)"
        )
    if entry.rpartition(".")[0] in _CONTAINER_UNITS:
        raise ValueError(
            f"names {entry}, which runs all containers of the host; name the container alone, as "
            "in docker:NAME or podman:NAME"
        )
    return entry


def _listed(value: object) -> object:
    """A list of the entries in a text with commas, as ``--data`` gives it."""
    return [part for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _once(entries: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(entries))


OldServices = Annotated[
    tuple[Annotated[str, AfterValidator(_old_service)], ...],
    BeforeValidator(_listed),
    AfterValidator(_once),
]
