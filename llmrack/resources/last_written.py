"""What llmrack wrote last is noted on the host: what differs from it was edited by hand.

A line each, fields separated by tabs: a file's path, a key of an environment file or ``-``, the
salt of that key's digest or ``-``, the SHA-256 in hex. A note is made just before its file is
written, and some before it are kept: what a run left that was cut off or rolled back is no edit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from llmrack.resources.script import script_file

WRITTEN = "/var/lib/llmrack/written"
WHOLE = "-"


@dataclass(frozen=True)
class Note:
    """What a file, or a key of an environment file, is about to be.

    + digest: SHA-256 in hex; of ``salt`` and the value where it is a key
    """

    path: str
    digest: str
    key: str = WHOLE
    salt: str = WHOLE


def noted(notes: Sequence[Note], script: str) -> str:
    """``script``, after ``notes`` were made; both for ``sh`` as root."""
    if not notes:
        return script
    lines = ["\t".join((note.path, note.key, note.salt, note.digest)) for note in notes]
    return f"{script_file('resources/note-written.sh', WRITTEN, *lines)} || exit 1\n{script}"
