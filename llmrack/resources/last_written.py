"""What llmrack wrote last is noted on the host: what differs from it was edited by hand.

A line each, fields separated by tabs: a file's path, a key of an environment file or ``-``, the
salt of that key's digest or ``-``, the SHA-256 in hex. A note is made just before its file is
written, and some before it are kept: what a run left that was cut off or rolled back is no edit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from shlex import quote

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


# New lines come first, from standard input; of older ones about the same the last four stay.
_REPLACE = (
    'BEGIN {FS="\\t"} {k=$1 FS $2} FILENAME=="-" {new[k]=$0; next} '
    "k in new {if ($0 != new[k]) old[k, ++n[k]]=$0; next} {print} "
    "END {for (k in new) {for (j=n[k]-3; j<=n[k]; j++) if (j>0) print old[k,j]; print new[k]}}"
)


def noted(notes: Sequence[Note], script: str) -> str:
    """``script``, after ``notes`` were made; both for ``sh`` as root."""
    if not notes:
        return script
    lines = " ".join(
        quote("\t".join((each.path, each.key, each.salt, each.digest))) for each in notes
    )
    return (
        f"( umask 022; mkdir -p {WRITTEN.rpartition('/')[0]}; umask 077; touch {WRITTEN} && "
        f"printf '%s\\n' {lines} | awk {quote(_REPLACE)} - {WRITTEN} >{WRITTEN}.new && "
        f"mv -f {WRITTEN}.new {WRITTEN} ) || exit 1\n{script}"
    )
