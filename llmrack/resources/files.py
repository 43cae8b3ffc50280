"""Directories, files, links and environment files; every file appears by rename."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from shlex import quote

from llmrack.resources.change import Change, Shell, as_user
from llmrack.resources.last_written import Note, noted
from llmrack.resources.look import Look, Seen
from llmrack.resources.script import script_file
from llmrack.secrets.value import Secret


def owned(owner: str, script: str) -> str:
    """``script`` run as ``owner``.

    Root never writes into a folder that an unprivileged user controls: a link planted there
    would let that user choose what root overwrites.
    """
    return script if owner == "root" else as_user(owner, script)


@dataclass(frozen=True)
class Directory:
    """A directory with its parents.

    + by_root: root makes it, because its owner could not; only where no unprivileged user owns a
      parent
    """

    path: str
    owner: str
    mode: int = 0o755
    by_root: bool = False

    @property
    def name(self) -> str:
        """As in ``Directory /home/llm/.config``."""
        return f"Directory {self.path}"

    def look(self, look: Look) -> None:
        """Its kind, owner and mode."""
        look.paths.add(self.path)

    def change(self, seen: Seen, changed: Collection[str]) -> Change | None:
        """Make it, or give it the right owner and mode."""
        present = seen.paths.get(self.path)
        if present and (present.kind, present.owner, present.mode) == ("d", self.owner, self.mode):
            return None
        make = f"mkdir -p {quote(self.path)} && chmod {self.mode:o} {quote(self.path)}"
        why = "missing" if present is None else f"{present.owner} {present.mode:o}"
        if self.by_root:
            return Change(self.name, why, (Shell(f"{make} && chown {self.owner}: {self.path}"),))
        return Change(self.name, why, (Shell(owned(self.owner, make)),))


@dataclass(frozen=True)
class File:
    """A file with exactly this content."""

    path: str
    content: str = field(repr=False)
    owner: str = "root"
    mode: int = 0o644

    @property
    def name(self) -> str:
        """As in ``File /etc/x``."""
        return f"File {self.path}"

    @property
    def digest(self) -> str:
        """SHA-256 of the content, in hex."""
        return hashlib.sha256(self.content.encode()).hexdigest()

    def look(self, look: Look) -> None:
        """Its owner, mode and digest."""
        look.paths.add(self.path)
        look.hashes.add(self.path)

    def change(self, seen: Seen, changed: Collection[str]) -> Change | None:
        """Write it beside, then rename."""
        present = seen.paths.get(self.path)
        same = seen.hashes.get(self.path) == self.digest
        if (
            present
            and same
            and (present.kind, present.owner, present.mode) == ("f", self.owner, self.mode)
        ):
            return None
        edited = present is not None and not same and self.path in seen.edited
        if edited and self.path in seen.kept:
            return None
        why = "missing"
        if present:
            why = f"{present.owner} {present.mode:o}" if same else "content differs"
        if edited:
            why = "edited by hand"
        script = noted((Note(self.path, self.digest),), self.write.script)
        write = Shell(script, stdin=self.content)
        return Change(self.name, why, (write,), edited=(self.path,) if edited else ())

    @property
    def write(self) -> Shell:
        """The script that writes it, without a note of that."""
        size = len(self.content.encode())
        script = script_file("resources/write-file.sh", self.path, f"{self.mode:o}", size)
        return Shell(owned(self.owner, script), stdin=self.content)


@dataclass(frozen=True)
class Line:
    """A line in a file of somebody else; at most one in each file."""

    path: str
    line: str
    owner: str

    @property
    def name(self) -> str:
        """As in ``Line in /home/llm/.profile``."""
        return f"Line in {self.path}"

    def look(self, look: Look) -> None:
        """Whether it is there."""
        look.lines.add((self.path, self.line))

    def change(self, seen: Seen, changed: Collection[str]) -> Change | None:
        """Append it."""
        if self.path in seen.lines:
            return None
        append = f"printf '%s\\n' {quote(self.line)} >> {quote(self.path)}"
        return Change(self.name, "missing", (Shell(owned(self.owner, append)),))


@dataclass(frozen=True)
class Link:
    """A symbolic link, switched in one step."""

    path: str
    target: str
    owner: str

    @property
    def name(self) -> str:
        """As in ``Link /home/llm/.local/opt/ollama/current``."""
        return f"Link {self.path}"

    def look(self, look: Look) -> None:
        """Its target."""
        look.paths.add(self.path)

    def change(self, seen: Seen, changed: Collection[str]) -> Change | None:
        """Point it at its target."""
        present = seen.paths.get(self.path)
        if present and (present.kind, present.link) == ("l", self.target):
            return None
        return Change(
            self.name,
            "missing" if present is None else f"leads to {present.link}",
            (Shell(owned(self.owner, switch(self.path, self.target))),),
        )


def switch(path: str, target: str) -> str:
    """Script that makes ``path`` a link to ``target`` by rename: never absent, never half."""
    link = quote(path)
    return f"ln -sfn {quote(target)} {link}.new && mv -fT {link}.new {link}"


@dataclass(frozen=True)
class EnvironmentFile:
    """A systemd EnvironmentFile with secrets, merged key by key.

    Keys that somebody added on the host stay. A key whose secret is empty or a placeholder is left
    as it is on the host. If edits of the file are kept, the edited keys stay.

    + nonce: the salt of this run's snapshot (see ``look.script``)
    """

    path: str
    values: Mapping[str, Secret]
    owner: str
    nonce: str = field(repr=False)
    mode: int = 0o600

    @property
    def name(self) -> str:
        """As in ``EnvironmentFile /home/llm/.config/llmrack/gateway.env``."""
        return f"EnvironmentFile {self.path}"

    def look(self, look: Look) -> None:
        """Its owner, mode, keys and the salted digests of their values."""
        look.paths.add(self.path)
        look.env_files.add(self.path)

    def change(self, seen: Seen, changed: Collection[str]) -> Change | None:
        """Write the keys that differ; the values travel on standard input alone."""
        real = {k: v for k, v in self.values.items() if not v.is_placeholder}
        on_host = seen.env_keys.get(self.path, {})
        edited = seen.edited_keys.get(self.path, set())
        kept = edited if self.path in seen.kept else set()
        differ = sorted(
            k for k, v in real.items() if on_host.get(k) != self._digest(v) and k not in kept
        )
        present = seen.paths.get(self.path)
        right = present and (present.kind, present.owner, present.mode) == (
            "f",
            self.owner,
            self.mode,
        )
        if right and not differ:
            return None
        lines = "".join(f"{key}={quote_value(real[key])}\n" for key in differ)
        names = ", ".join(f"{k} (edited by hand)" if k in edited else k for k in differ)
        why = "missing" if present is None else (f"keys {names}" if differ else "mode")
        notes = [Note(self.path, self._digest(real[k]), k, self.nonce) for k in differ]
        size = len(lines.encode())
        merge = script_file("resources/merge-environment.sh", self.path, f"{self.mode:o}", size)
        script = noted(notes, owned(self.owner, merge))
        return Change(self.name, why, (Shell(script, stdin=lines),), tuple(differ))

    def _digest(self, secret: Secret) -> str:
        return hashlib.sha256((self.nonce + quote_value(secret)).encode()).hexdigest()


def quote_value(secret: Secret) -> str:
    """A value as systemd's EnvironmentFile reads it back (systemd.exec(5): double quotes)."""
    value = secret.reveal()
    if all(c.isalnum() or c in "-_.,:/+=@%~" for c in value):
        return value
    escaped = "".join(f"\\{c}" if c in '"\\`$' else c for c in value)
    return f'"{escaped}"'
