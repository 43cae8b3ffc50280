"""The script of the look: the scripts of all kinds of questions, one after the other.

They are plain ``sh`` with coreutils, findutils and systemd, because they also run on a host on
which nothing has been installed yet. They print lines: a tag, then fields separated by tabs.
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import groupby

from llmrack.resources.last_written import WRITTEN
from llmrack.resources.look import TAG, Look
from llmrack.resources.script import script_file


def script(look: Look, nonce: str) -> str:
    """The ``sh`` script that answers ``look``.

    ``nonce`` (random, per run) salts the digests of secrets, so that neither the
    connection nor a verbose log says anything about a key's value.
    """
    return "\n".join(
        [
            "export LC_ALL=C; PATH=$PATH:/usr/sbin:/sbin",
            _part("host"),
            *_asked("disks", look.disks),
            *_asked("groups", look.groups),
            *_asked("users", look.users),
            *_asked("paths", look.paths),
            *_asked("globs", look.globs),
            *_asked("first-lines", look.notes),
            *_asked("hashes", look.hashes, WRITTEN),
            *_asked("env-files", look.env_files, WRITTEN, nonce),
            *_asked("secret-files", look.secret_files, nonce),
            *(_part("line", path, line) for path, line in sorted(look.lines)),
            *_asked("packages", look.packages),
            *_user_units(look),
            *_asked("system-units", look.system_units),
            *_asked("mounts", look.mounts),
            *(_part("access", user, path, *_way(path)) for user, path in sorted(look.access)),
            *_asked("controllers", look.controllers),
            *_asked("ports", look.ports),
            *([_part("made")] if look.made else ()),
            *([_part("removable")] if look.removable else ()),
            *(script_file(part.script, *part.arguments) for part in look.parts.values()),
            f"echo {TAG}",
        ]
    )


def _part(name: str, *arguments: str | int) -> str:
    return script_file(f"resources/look/{name}.sh", *arguments)


def _asked(name: str, things: Collection[str | int], *before: str) -> list[str]:
    """The script of one kind, if ``things`` of it are asked; ``before``: its first arguments."""
    return [_part(name, *before, *sorted(map(str, things)))] if things else []


def _user_units(look: Look) -> list[str]:
    by_user = groupby(sorted(look.user_units), key=lambda pair: pair[0])
    return [_part("user-units", user, *(unit for _, unit in pairs)) for user, pairs in by_user]


def _way(path: str) -> list[str]:
    """The folders from the topmost one to ``path`` itself."""
    parts = path.strip("/").split("/")
    return ["/" + "/".join(parts[: n + 1]) for n in range(len(parts))]
