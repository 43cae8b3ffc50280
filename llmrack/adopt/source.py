"""Reads a LiteLLM configuration, with the files beside it that give values to it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmrack.adopt.compose import NAMES, Compose, read_compose
from llmrack.adopt.environment import ENV_FILE, Environment, read_variables
from llmrack.problems import Problem, unusable
from llmrack.stack.yaml_lines import Lines, parse_yaml


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
    """

    name: str
    data: dict[str, Any]
    lines: Lines
    repeated: list[Problem]
    environment: Environment
    compose: Compose
    read: tuple[str, ...] = ()


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
    env_file = env_file or _beside(file, (ENV_FILE,))
    compose_file = compose_file or _beside(file, NAMES)
    variables = read_variables(env_file) if env_file else {}
    environment = Environment()
    compose = Compose()
    if compose_file:
        # Values of the compose file come before those of .env, which it refers to.
        shell = Environment()
        shell.add(str(env_file), variables)
        compose = read_compose(compose_file, shell.revealed)
        environment.add(str(compose_file), compose.environment)
        for path in compose.env_files:
            environment.add(str(path), read_variables(path))
    environment.add(str(env_file), variables)
    own = data.get("environment_variables")
    if isinstance(own, dict):
        plain = {str(n): str(v) for n, v in own.items() if isinstance(v, str | int | float)}
        environment.add(str(file), plain)
    read = tuple(str(path) for path in (env_file, compose_file) if path)
    return Source(str(file), data, lines, repeated, environment, compose, read)


def _beside(file: Path, names: tuple[str, ...]) -> Path | None:
    folders = (file.parent, file.absolute().parent.parent)
    paths = (folder / name for folder in folders for name in names)
    return next((path for path in paths if path.is_file()), None)
