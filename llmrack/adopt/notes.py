"""What became of each part of an adopted configuration, to be printed line by line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from llmrack.problems import Problem
from llmrack.stack.yaml_lines import Lines

# A key path in the adopted file; an entry of a list is its number, from 0 on.
Path = tuple[str, ...]
Outcome = Literal["taken", "left out", "lost"]
# The way out of a check that has happened already.
_DONE = "leave it out"
_WORDS: dict[Outcome, str] = {
    "taken": "",
    "left out": "left out: ",
    "lost": "not taken over: ",
}


@dataclass(frozen=True)
class Note:
    """What became of one part.

    + path: its key path in the file; empty for the whole file
    + text: what it is now, or the cause and the way out
    + outcome: taken; left out, which changes no answer that clients rely on; or lost, so that
      clients notice
    + file: the name of another file that it is in; empty for the adopted one
    """

    path: Path
    text: str
    outcome: Outcome
    file: str = ""


class Notes:
    """The notes of one file, in the order of its lines."""

    def __init__(self, file: str, lines: Lines) -> None:
        self._file = file
        self._lines = lines
        self._notes: list[Note] = []
        self._lost_wholes: list[Path] = []

    def taken(self, path: Path, text: str, file: str = "") -> None:
        """Note what a part is now.

        + file: the name of another file that it is in
        """
        self._notes.append(Note(path, text, "taken", file))

    def left_out(self, path: Path, cause: str, way_out: str = "", file: str = "") -> None:
        """Note a part that is left out, and that no client relies on.

        + way_out: empty if nothing is to do
        + file: the name of another file that it is in
        """
        text = f"{cause}; {way_out}" if way_out and way_out != _DONE else cause
        self._notes.append(Note(path, text, "left out", file))

    def lost(self, path: Path, cause: str, way_out: str, file: str = "") -> None:
        """Note a part that clients may rely on, and that cannot be taken over.

        + file: the name of another file that it is in
        """
        self._notes.append(Note(path, f"{cause}; {way_out}", "lost", file))

    def has(self, path: Path) -> bool:
        """Whether something is noted of a part, of one around it, or of one in it."""
        return any(
            note.path == path[: len(note.path)] or note.path[: len(path)] == path
            for note in self._notes
            if note.path and not note.file
        ) or any(whole == path[: len(whole)] for whole in self._lost_wholes)

    def lost_as_a_whole(self, path: Path) -> None:
        """Keep only what says why a part is lost: nothing in it is taken over."""
        self._lost_wholes.append(path)
        self.forget(path)

    def forget(self, path: Path) -> None:
        """Forget what a part and those in it have become, but for what is lost."""
        self._notes = [
            note
            for note in self._notes
            if note.outcome == "lost" or note.file or note.path[: len(path)] != path
        ]

    @property
    def is_whole(self) -> bool:
        """Whether nothing was lost."""
        return all(note.outcome != "lost" for note in self._notes)

    def __iter__(self) -> Iterator[Note]:
        """Those of the adopted file by line, then those of other files."""
        return iter(sorted(self._notes, key=lambda note: (note.file, self._line(note))))

    def printed(self) -> list[str]:
        """The notes as lines: file, line, key path, and what became of it."""
        return [str(self._problem(note)) for note in self]

    def _problem(self, note: Note) -> _Line:
        text = _WORDS[note.outcome] + note.text
        return _Line(note.file or self._file, ".".join(note.path), text, self._line(note))

    def _line(self, note: Note) -> int:
        """The line of a part; 0 for the whole file, and for another one."""
        path = () if note.file else note.path
        around = (path[:length] for length in range(len(path), 0, -1))
        return next((self._lines[part] for part in around if part in self._lines), 0)


@dataclass(frozen=True)
class _Line:
    file: str
    where: str
    text: str
    line: int

    def __str__(self) -> str:
        cause, _, way_out = self.text.partition("; ")
        whole = str(Problem(self.file, self.where, cause, way_out, self.line))
        return whole.removesuffix("; ")


class Fields:
    """The values of a mapping, of which each is taken out once.

    + path: the key path of the mapping
    """

    def __init__(self, values: dict[str, Any], path: Path) -> None:
        self._values = dict(values)
        self.path = path

    def at(self, name: str) -> Path:
        """The key path of a value."""
        return (*self.path, name)

    def pop(self, name: str) -> Any:  # noqa: ANN401  (YAML's)
        """Take a value out; None if there is none."""
        return self._values.pop(name, None)

    def rest(self) -> dict[str, Any]:
        """What was not taken out."""
        return {name: value for name, value in self._values.items() if value is not None}
