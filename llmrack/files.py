"""Files that are replaced whole: a reader sees the old content or the new one, never a part."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacement(path: Path, mode: int) -> Iterator[Path]:
    """A new, empty file beside ``path``; it takes the place of ``path`` when the block ends.

    + mode: its permissions, whatever the umask; until it is whole it is 0600

    It is on the disk before it is renamed, so that a power cut leaves one of the two. Where the
    block raises, ``path`` stays as it was, and nothing stays beside it. Raises OSError.
    """
    # mkstemp makes the file 0600.
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    beside = Path(name)
    try:
        try:
            yield beside
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        beside.chmod(mode)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def replace_file(path: Path, content: str | bytes, mode: int) -> None:
    """Replace ``path`` by a file with ``content``, text in UTF-8. As ``replacement``."""
    with replacement(path, mode) as beside:
        beside.write_bytes(content.encode() if isinstance(content, str) else content)
