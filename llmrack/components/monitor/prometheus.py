"""Prometheus' configuration, checked before it is used, and the key that Prometheus shows."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, field

from llmrack.resources.change import Change, Shell
from llmrack.resources.files import File
from llmrack.resources.last_written import Note, noted
from llmrack.resources.look import Look, Seen
from llmrack.resources.script import script_file
from llmrack.secrets.value import Secret

SERVICE = "prometheus.service"


@dataclass(frozen=True)
class Credentials:
    """A file with one secret and nothing else, as ``credentials_file`` names it.

    Root's, and read by the group ``prometheus``, which its package brings.

    + nonce: the salt of this run's snapshot (see ``look.script``)
    """

    path: str
    secret: Secret
    nonce: str = field(repr=False)

    @property
    def name(self) -> str:
        """As in ``Credentials /etc/llmrack/prometheus.key``."""
        return f"Credentials {self.path}"

    def look(self, look: Look) -> None:
        """Its owner, mode and the salted digest of what is in it."""
        look.paths.add(self.path)
        look.secret_files.add(self.path)

    def change(self, seen: Seen, changed: Collection[str]) -> Change | None:
        """Write it beside, then rename; the secret travels on standard input alone."""
        file = seen.paths.get(self.path)
        # A line, as an editor would write it; Prometheus leaves off the end.
        line = f"{self.secret.reveal()}\n"
        digest = hashlib.sha256((self.nonce + line).encode()).hexdigest()
        same = seen.secret_files.get(self.path) == digest
        if file and same and (file.kind, file.owner, file.mode) == ("f", "root", 0o640):
            return None
        script = script_file("monitor/write-credentials.sh", self.path, len(line.encode()))
        why = "missing" if file is None else "the key differs" if not same else "mode"
        return Change(self.name, why, (Shell(script, stdin=line),))


@dataclass(frozen=True)
class PrometheusConfiguration:
    """Prometheus' configuration files; promtool must accept all of them before one is replaced.

    + folder: exists, and belongs to root
    + files: name → content; ``prometheus.yml`` names the others
    + restarts: names of the resources whose change restarts Prometheus in any case
    """

    folder: str
    files: tuple[tuple[str, str], ...]
    restarts: tuple[str, ...]

    @property
    def name(self) -> str:
        """As in ``Configuration /etc/llmrack/prometheus``."""
        return f"Configuration {self.folder}"

    def look(self, look: Look) -> None:
        """The digests of the files."""
        look.hashes.update(f"{self.folder}/{name}" for name, _ in self.files)

    def change(self, seen: Seen, changed: Collection[str]) -> Change | None:
        """Check the new files beside the old ones, replace those, make Prometheus read them."""
        digests = {name: File("", content).digest for name, content in self.files}
        paths = {name: f"{self.folder}/{name}" for name in digests}
        differ = [name for name in paths if seen.hashes.get(paths[name]) != digests[name]]
        edited = [name for name in differ if paths[name] in seen.edited]
        kept = [name for name in edited if paths[name] in seen.kept]
        differ = [name for name in differ if name not in kept]
        if not differ:
            return None
        reload = "" if set(self.restarts) & set(changed) else SERVICE
        words: list[str | int] = [self.folder, reload]
        for name, content in self.files:
            words += [name, "kept" if name in kept else "new", len(content.encode())]
        script = script_file("monitor/replace-configuration.sh", *words)
        stdin = "".join(content for _, content in self.files)
        notes = [Note(paths[name], digests[name]) for name in differ]
        described = [f"{name} (edited by hand)" if name in edited else name for name in differ]
        return Change(
            self.name,
            f"differs: {', '.join(described)}",
            (Shell(noted(notes, script), stdin=stdin),),
            edited=tuple(paths[name] for name in differ if name in edited),
        )
