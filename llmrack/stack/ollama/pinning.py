"""Pinning a release of Ollama: its checksums, and the text of the settings that name it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeGuard

from llmrack.stack.settings import ARCHIVES, ROCM

# The files that a release is pinned by: those that each release and each setting has, and ROCm's
# libraries, which hosts with cards of AMD's need.
FILES = (*ARCHIVES, ROCM)
VERSION, DIGESTS = "ollama_version", "ollama_sha256"

# What sha256sum prints; Ollama's release.yaml runs it over `find .`, so names begin with "./".
_CHECKSUM = re.compile(r"([0-9a-fA-F]{64}) [ *](?:\./)?(\S+)\s*")
# A text in quotes without escapes.
_PLAIN_TEXT = re.compile(rb"""(["'])[^"'\\\r\n]*\1""")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class NotPinned(Exception):
    """A release cannot be pinned; the text has cause and way out."""


@dataclass(frozen=True)
class Pin:
    """A release of Ollama.

    + version: as in ``0.34.4``
    + digests: SHA-256 of its files, in hex, by the keys of ``ollama_sha256``
    """

    version: str
    digests: Mapping[str, str]

    @property
    def lines(self) -> str:
        """The settings that pin it."""
        digests = ", ".join(f'"{file}": "{digest}"' for file, digest in self.digests.items())
        return f'{VERSION} = "{self.version}"\n{DIGESTS} = {{{digests}}}'


@dataclass(frozen=True)
class PinnedFile:
    """The file that names the release.

    + name: its path
    + version: the version that it named before
    + before, after: its content
    + left_out: entries of ``ollama_sha256`` that the release has and the file has not
    """

    name: str
    version: str
    before: bytes
    after: bytes
    left_out: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class _Setting:
    """A place where a file sets the version or the digests.

    + value: the assigned value, if the name is assigned by itself at the top level; else None
    """

    file: str
    line: int
    value: ast.expr | None

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


def read_checksums(text: str, source: str) -> dict[str, str]:
    """The digests of a release's files, by the keys of ``ollama_sha256``; ROCm's may be missing.

    + text: the release's ``sha256sum.txt``
    + source: its origin, for messages

    Raises NotPinned.
    """
    by_file: dict[str, set[str]] = {}
    for line in text.splitlines():
        if listed := _CHECKSUM.fullmatch(line):
            by_file.setdefault(listed[2], set()).add(listed[1].lower())
    if not by_file:
        raise NotPinned(f"{source} is no list of checksums; name another source with --mirror")
    digests: dict[str, str] = {}
    for key in FILES:
        file = f"ollama-linux-{key}.tar.zst"
        sums = by_file.get(file, set())
        if not sums and key not in ARCHIVES:
            continue
        if len(sums) != 1:
            count = f"has {len(sums)} checksums for" if sums else "has no checksum for"
            raise NotPinned(f"{source} {count} {file}; name another source with --mirror")
        digests[key] = sums.pop()
    return digests


def pin_in(files: Mapping[str, bytes], pin: Pin) -> PinnedFile:
    """Write ``pin`` into the one of ``files`` that names the release; all else stays as it is.

    + files: the settings' files, by name

    Raises NotPinned if the files name it twice, nowhere, or not as plain text.
    """
    settings = {name: _only(files, name, pin) for name in (VERSION, DIGESTS)}
    version, digests = settings[VERSION], settings[DIGESTS]
    if version.file != digests.file:
        raise _by_hand(f"{version} and {digests} set one of the two each", pin)
    listed = _digests(digests.value)
    values = dict(listed)
    if version.value is None or len(values) != len(listed) or not _are_files(values):
        raise _by_hand(f"{digests} has not one digest for each of amd64 and arm64", pin)
    if missing := values.keys() - pin.digests.keys():
        raise NotPinned(
            f"{digests} has a digest for {min(missing)}, and the release's checksums have none; "
            "name another source with --mirror, or remove the digest"
        )
    before = files[version.file]
    wanted: list[tuple[ast.expr, str]] = [
        (value, pin.digests[file]) for file, value in values.items()
    ]
    after = before
    # From the end, so that earlier places keep their offsets.
    for value, text in sorted(
        [*wanted, (version.value, pin.version)],
        key=lambda replacement: -_span(before, replacement[0])[0],
    ):
        start, end = _span(before, value)
        if not _PLAIN_TEXT.fullmatch(before[start:end]):
            raise _by_hand(f"{version.file}:{value.lineno} does not say it in one text", pin)
        after = after[: start + 1] + text.encode() + after[end - 1 :]
    start, end = _span(before, version.value)
    left_out = tuple((file, sum_) for file, sum_ in pin.digests.items() if file not in values)
    return PinnedFile(version.file, before[start + 1 : end - 1].decode(), before, after, left_out)


def _are_files(values: Mapping[str, object]) -> bool:
    """Whether these are keys of ``ollama_sha256``: every architecture, and nothing unknown."""
    return set(ARCHIVES) <= values.keys() <= set(FILES)


def _only(files: Mapping[str, bytes], name: str, pin: Pin) -> _Setting:
    settings = [
        setting for file, text in files.items() for setting in _settings(file, text, name, pin)
    ]
    if not settings:
        raise _by_hand(f"no file of group_data sets {name}", pin)
    if len(settings) > 1:
        places = ", ".join(map(str, settings))
        raise _by_hand(f"{name} is set more than once ({places})", pin)
    if settings[0].value is None or not isinstance(settings[0].value, ast.Constant | ast.Dict):
        raise _by_hand(f"{settings[0]} computes {name}", pin)
    return settings[0]


def _settings(file: str, text: bytes, name: str, pin: Pin) -> Iterator[_Setting]:
    """Every place where ``file`` sets ``name``, or changes it."""
    try:
        tree = ast.parse(text.removeprefix(_BYTE_ORDER_MARK))
    except (SyntaxError, ValueError):
        if name.encode() in text:
            raise _by_hand(f"{file} is not Python", pin) from None
        return
    plain = _assignments(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store):
            yield _Setting(file, node.lineno, plain.get(node))
        elif _changes(node, name):
            yield _Setting(file, node.lineno, None)


def _assignments(tree: ast.Module) -> dict[ast.expr, ast.expr]:
    """The file's assignments at its top level with one target: values by target."""
    values = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            values[node.targets[0]] = node.value
        elif isinstance(node, ast.AnnAssign) and node.value:
            values[node.target] = node.value
    return values


def _changes(node: ast.AST, name: str) -> TypeGuard[ast.Attribute | ast.Subscript]:
    """Whether ``node`` is ``name["arm64"] = ...``, ``name.update`` or the like."""
    if not isinstance(node, ast.Attribute | ast.Subscript):
        return False
    is_read = isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load)
    return isinstance(node.value, ast.Name) and node.value.id == name and not is_read


def _digests(value: ast.expr | None) -> list[tuple[str, ast.Constant]]:
    """The entries of a dictionary of constants; none if a part of it is no constant."""
    if not isinstance(value, ast.Dict):
        return []
    entries = [
        (str(key.value), digest)
        for key, digest in zip(value.keys, value.values, strict=True)
        if isinstance(key, ast.Constant) and isinstance(digest, ast.Constant)
    ]
    return entries if len(entries) == len(value.keys) else []


def _span(text: bytes, value: ast.expr) -> tuple[int, int]:
    """Start and end of ``value`` in bytes; ast counts lines, and bytes of UTF-8 in them."""
    skipped = len(text) - len(text.removeprefix(_BYTE_ORDER_MARK))
    lines = text[skipped:].splitlines(keepends=True)

    def offset(line: int, column: int) -> int:
        return skipped + sum(map(len, lines[: line - 1])) + column

    end_line, end_column = value.end_lineno or value.lineno, value.end_col_offset or 0
    return offset(value.lineno, value.col_offset), offset(end_line, end_column)


def _by_hand(cause: str, pin: Pin) -> NotPinned:
    return NotPinned(f"{cause}; set it by hand:\n\n{pin.lines}")
