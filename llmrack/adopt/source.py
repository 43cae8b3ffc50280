"""Reads a LiteLLM configuration, with the files beside it that give values to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from llmrack.adopt.compose import NAMES, Compose, read_compose
from llmrack.adopt.environment import ENV_FILE, Environment, read_variables, referred
from llmrack.problems import DeclarationError, Problem, unusable
from llmrack.stack.yaml_lines import Lines, parse_yaml

Content = TypeVar("Content")


@dataclass(frozen=True)
class Source:
    """A configuration of LiteLLM.

    + name: the file's name in messages
    + data: its sections
    + lines: 1-based line of each key path
    + repeated: keys that stand twice
    + environment: the variables that it may refer to
    + compose: the compose file that starts it
    + read: names of the other files that were read
    + unreadable: problems of files beside it that cannot be read
    """

    name: str
    data: dict[str, Any]
    lines: Lines
    repeated: list[Problem]
    environment: Environment
    compose: Compose
    read: tuple[str, ...] = ()
    unreadable: tuple[Problem, ...] = ()


def read_source(file: Path, env_file: Path | None, compose_file: Path | None) -> Source:
    """Read a configuration and what stands beside it, or one folder above it.

    + env_file, compose_file: instead of the files of the usual names

    Raises DeclarationError.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise unusable(file, f"cannot be read ({error})", "make it a readable text file") from None
    data, lines, repeated = parse_yaml(str(file), text)
    if not isinstance(data, dict) or not isinstance(data.get("model_list"), list):
        raise unusable(file, "has no model_list", "name the config.yaml of a LiteLLM proxy")
    files = _Files()
    variables = files.content(env_file, _beside(file, (ENV_FILE,)), read_variables) or {}
    env_name = files.read[-1] if files.read else ""
    # Values of the compose file come before those of .env, which it refers to.
    shell = Environment()
    shell.add(env_name, variables)

    def read_with_variables(path: Path) -> Compose:
        return read_compose(path, shell.revealed)

    compose = files.content(compose_file, _beside(file, NAMES), read_with_variables) or Compose()
    places = [(files.read[-1] if compose.file else "", compose.environment)]
    for path in compose.env_files:
        places.append((str(path), files.content(None, path, read_variables) or {}))
    places.append((env_name, variables))
    environment = _environment(str(file), data.get("environment_variables"), places)
    unreadable = tuple(files.unreadable)
    read = tuple(files.read)
    return Source(str(file), data, lines, repeated, environment, compose, read, unreadable)


class _Files:
    """Reads the files beside a configuration.

    + read: names of those that were read
    + unreadable: problems of those that nobody has named, and that cannot be read
    """

    def __init__(self) -> None:
        self.read: list[str] = []
        self.unreadable: list[Problem] = []

    def content(
        self, named: Path | None, beside: Path | None, reader: Callable[[Path], Content]
    ) -> Content | None:
        """What ``reader`` makes of a file; None if there is none, or if it cannot be read.

        + named: the file that the user has named; else ``beside`` is read

        Raises DeclarationError if the file that the user has named cannot be read.
        """
        path = named or beside
        if path is None:
            return None
        try:
            content = reader(path)
        except DeclarationError as error:
            if named:
                raise
            self.unreadable.extend(error.problems)
            return None
        if str(path) not in self.read:
            self.read.append(str(path))
        return content


def _environment(
    name: str, section: object, places: Sequence[tuple[str, Mapping[str, str]]]
) -> Environment:
    """The variables of all places.

    + section: ``environment_variables`` of the configuration. LiteLLM overwrites its environment
      with them, one after the other (_load_environment_variables of 1.106.12).
    """
    files = Environment()
    for place, variables in places:
        files.add(place, variables)
    environment = Environment()
    values: dict[str, str] = {}
    for variable, value in section.items() if isinstance(section, dict) else ():
        other = referred(value)
        if other:
            text = values.get(other) or files.revealed(other)
        else:
            text = str(value) if isinstance(value, str | int | float) else None
        if text is not None:
            values[str(variable)] = text
    environment.add(name, values)
    for place, variables in places:
        environment.add(place, variables)
    for variable in files.used:
        environment.value(variable)
    return environment


def _beside(file: Path, names: tuple[str, ...]) -> Path | None:
    folders = (file.parent, file.absolute().parent.parent)
    paths = (folder / name for folder in folders for name in names)
    return next((path for path in paths if path.is_file()), None)
