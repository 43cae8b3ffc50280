"""A compose file: the environment of its LiteLLM, and where the ports of containers are published.

Source: the Compose specification (services, environment, env_file, ports, interpolation).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llmrack.problems import unusable
from llmrack.stack.yaml_lines import parse_yaml

NAMES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
# ${NAME}, ${NAME:-default}, ${NAME-default}, ${NAME:?message}, $NAME, and $$ for a $.
_REFERENCE = re.compile(r"\$(?:\$|\{(\w+)(?:(:?[-?+])([^}]*))?\}|(\w+))")
_PORT = re.compile(r"(?:(\[[^\]]+\]|\d+(?:\.\d+){3}):)?(?:(\d+):)?(\d+)(?:/tcp)?")
# The port on which LiteLLM listens.
LITELLM_PORT = 4000
_OPEN = "0.0.0.0"  # noqa: S104  (what a port without an address is published on)


@dataclass(frozen=True)
class Published:
    """A container's port on its host.

    + address: the host's address that it is bound to
    """

    address: str
    port: int


@dataclass(frozen=True)
class Compose:
    """What matters of a compose file.

    + file: its name in messages; empty if there is none
    + environment: the variables of its LiteLLM
    + env_files: the files with more of them, which ``environment`` precedes
    + litellm: where the port of LiteLLM is published; None if it is not
    + containers: the published ports of each container, by its names
    """

    file: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    env_files: tuple[Path, ...] = ()
    litellm: Published | None = None
    containers: Mapping[str, Mapping[int, Published]] = field(default_factory=dict)


def read_compose(path: Path, value: Callable[[str], str | None]) -> Compose:
    """Read a compose file.

    + value: the value of a variable that the file refers to

    Raises DeclarationError.
    """
    try:
        data, _, _ = parse_yaml(path.name, path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise unusable(path, f"cannot be read ({error})", "make it a readable text file") from None
    services = data.get("services") if isinstance(data, dict) else None
    if not isinstance(services, dict):
        raise unusable(path, "has no services", "name a compose file with --compose")
    filled = {
        str(name): _filled(service, value)
        for name, service in services.items()
        if isinstance(service, dict)
    }
    containers = {
        called: _ports(service)
        for name, service in filled.items()
        for called in (name, str(service.get("container_name") or name))
    }
    none: dict[str, Any] = {}
    litellm = next((service for service in filled.values() if _is_litellm(service)), none)
    return Compose(
        path.name,
        _environment(litellm, value),
        tuple(_env_files(litellm, path.parent)),
        _listens(litellm),
        containers,
    )


def _filled(node: Any, value: Callable[[str], str | None]) -> Any:  # noqa: ANN401  (YAML's)
    """A part of the file with the values of the variables in it."""
    if isinstance(node, dict):
        return {str(key): _filled(inner, value) for key, inner in node.items()}
    if isinstance(node, list):
        return [_filled(inner, value) for inner in node]
    if not isinstance(node, str):
        return node

    def fill(match: re.Match[str]) -> str:
        name = match[1] or match[4]
        if not name:
            return "$"
        text = value(name)
        default = match[3] or "" if match[2] in ("-", ":-") else ""
        return default if text is None or (text == "" and match[2] == ":-") else text

    return _REFERENCE.sub(fill, node)


def _is_litellm(service: dict[str, Any]) -> bool:
    command = service.get("command") or ""
    words = command if isinstance(command, str) else " ".join(map(str, command))
    image = str(service.get("image") or "")
    return "litellm" in image.rsplit("/", 1)[-1] or "litellm" in words


def _environment(service: dict[str, Any], value: Callable[[str], str | None]) -> Mapping[str, str]:
    given = service.get("environment") or {}
    if isinstance(given, list):
        pairs = [str(item).partition("=") for item in given]
        given = {name: text if equals else None for name, equals, text in pairs}
    if not isinstance(given, dict):
        return {}
    # A name alone has the value that the shell or .env gives it.
    every = {str(name): value(str(name)) if v is None else str(v) for name, v in given.items()}
    return {name: text for name, text in every.items() if text is not None}


def _env_files(service: dict[str, Any], folder: Path) -> Iterator[Path]:
    given = service.get("env_file") or []
    for item in given if isinstance(given, list) else [given]:
        name = item.get("path") if isinstance(item, dict) else item
        if name and (folder / str(name)).is_file():
            yield folder / str(name)


def _ports(service: dict[str, Any]) -> dict[int, Published]:
    """The published ports of a container, by its own."""
    ports = {}
    for item in service.get("ports") or []:
        if isinstance(item, dict):
            target, published = item.get("target"), item.get("published")
            address = str(item.get("host_ip") or _OPEN)
        else:
            match = _PORT.fullmatch(str(item))
            if not match:
                continue
            address, published, target = match[1] or _OPEN, match[2], match[3]
        if str(target).isdigit() and str(published).isdigit():
            ports[int(str(target))] = Published(address.strip("[]"), int(str(published)))
    return ports


def _listens(litellm: dict[str, Any]) -> Published | None:
    ports = _ports(litellm)
    if LITELLM_PORT in ports:
        return ports[LITELLM_PORT]
    return next(iter(ports.values())) if len(ports) == 1 else None
