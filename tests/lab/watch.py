"""Watches a machine until its standard input ends; then prints what it saw, as JSON.

``args``: every command line that a process had; ``files``: owner and mode of everything in the
folders that it was given. Needs nothing but Python.
"""

from __future__ import annotations

import contextlib
import json
import select
import stat
import sys
from pathlib import Path

PAUSE_S = 0.005


def main() -> None:
    args: set[str] = set()
    files: set[tuple[str, int, str]] = set()
    while not select.select([sys.stdin], [], [], PAUSE_S)[0]:
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                args.add((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        for folder in map(Path, sys.argv[1:]):
            with contextlib.suppress(OSError):
                for path in (folder, *folder.iterdir()):
                    # One that is gone before it is looked at was seen in another round.
                    with contextlib.suppress(OSError):
                        found = path.lstat()
                        files.add((str(path), found.st_uid, stat.S_IMODE(found.st_mode)))
    print(json.dumps({"args": sorted(args), "files": sorted(files)}))


if __name__ == "__main__":
    main()
