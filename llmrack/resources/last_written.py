"""Notes on the host of what llmrack wrote last: a file that differs was edited by hand.

A note is a line with fields separated by tabs: a file's path, a key of an environment file or
``-``, the salt of that key's digest or ``-``, the SHA-256 in hex. A note is made just before its
file is written, and some earlier notes are kept, so that a file from a run that was cut off or
rolled back does not count as edited.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from llmrack.resources.script import script_file

WRITTEN = "/var/lib/llmrack/written"
WHOLE = "-"


@dataclass(frozen=True)
class Note:
    """The coming content of a file, or of a key of an environment file.

    + digest: SHA-256 in hex; for a key, of ``salt`` and the value
    """

    path: str
    digest: str
    key: str = WHOLE
    salt: str = WHOLE


def noted(notes: Sequence[Note], script: str) -> str:
    """A script for ``sh`` as root that makes ``notes``, then runs ``script``."""
    if not notes:
        return script
    lines = ["\t".join((note.path, note.key, note.salt, note.digest)) for note in notes]
    return f"{script_file('resources/note-written.sh', WRITTEN, *lines)} || exit 1\n{script}"
