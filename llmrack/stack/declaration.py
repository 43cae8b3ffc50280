"""Everything that is declared, with the files and lines that messages name."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from llmrack.problems import Problem
from llmrack.stack.fleet import Fleet
from llmrack.stack.keys import IssuedKey
from llmrack.stack.schema import Stack
from llmrack.stack.yaml_lines import Lines


@dataclass(frozen=True)
class Declaration:
    """Everything that is declared, with the files and lines that messages name.

    + secrets: names of the secrets that have a value
    + lines: 1-based line of each key path in the stack file
    + issued: the issued keys of clients, by name
    + placeholders: by the name of a secret that has only a placeholder, the place of that
    """

    stack: Stack
    fleet: Fleet
    secrets: Collection[str]
    lines: Lines
    stack_file: str = "stack.yaml"
    env_file: str = ".env"
    issued: Mapping[str, IssuedKey] = field(default_factory=dict)
    placeholders: Mapping[str, str] = field(default_factory=dict)

    def problem(self, where: str, cause: str, way_out: str, *path: str) -> Problem:
        """A problem in the stack file, at the line of ``path`` (default: ``where`` split).

        A default has no line; then it is the line of the part around it.
        """
        keys = path or tuple(where.split("."))
        around = (keys[:length] for length in range(len(keys), 0, -1))
        line = next((self.lines[part] for part in around if part in self.lines), 0)
        return Problem(self.stack_file, where, cause, way_out, line)
