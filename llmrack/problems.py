"""Problems of a declaration, in one form everywhere: place, cause, way out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from llmrack.shipped.gateway.misspelt import misspelt

# Why a declaration is wrong, and what to do.
CauseAndWayOut = tuple[str, str]


@dataclass(frozen=True, order=True)
class Problem:
    """One mistake in a declaration.

    + file: the file to edit, as the user named it
    + where: the key path in it (``providers.cloud.url``), empty for the whole file
    + cause: the mistake, without a secret's value
    + way_out: the way to mend it
    + line: 1-based line in ``file``; 0 if it is not known
    """

    file: str
    where: str
    cause: str
    way_out: str
    line: int = 0

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        where = f" {self.where}:" if self.where else ""
        return _on_one_line(f"{place}:{where} {self.cause}; {self.way_out}")

    def as_dict(self) -> dict[str, str | int]:
        """The same as plain data, for ``--json``."""
        return asdict(self)


def _on_one_line(text: str) -> str:
    """``text`` with characters as escapes that a terminal would act on or reorder."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


class DeclarationError(Exception):
    """The declaration cannot be used; ``problems`` says why (at least one)."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(set(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))


def unusable(file: object, cause: str, way_out: str, where: str = "") -> DeclarationError:
    """The error with one problem; see Problem."""
    return DeclarationError([Problem(str(file), where, cause, way_out)])


def nearest(name: str, valid: Iterable[str]) -> str:
    """A way out for an unknown ``name``: the valid name that was misspelt, or all valid names."""
    names = sorted(set(valid))
    if meant := misspelt(name, names):
        return f"did you mean {meant!r}?"
    return f"valid: {', '.join(names)}" if names else "none is declared"
