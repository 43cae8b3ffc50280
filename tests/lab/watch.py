"""Watches a machine until its standard input ends; then prints what it saw, as JSON.

Its first line of standard input is a list of words, as JSON. ``args``: every command line that a
process had; ``environments``: how many environments it saw, and ``shown``: the words that stood in
one, with the command line; ``files``: owner and mode of everything in the folders that it was
given. Needs nothing but Python.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import select
import stat
import sys
import time
from pathlib import Path

PAUSE_S = 0.01
# A process has its last command line soon after its start. Older ones are looked at less often.
YOUNG_S = 1.0
ROUNDS = 20


def main() -> None:
    words: list[str] = json.loads(sys.stdin.readline())
    args: set[str] = set()
    environments: set[int] = set()
    shown: set[tuple[str, str]] = set()
    files: set[tuple[str, int, int]] = set()
    known: dict[str, bytes] = {}
    born: dict[str, float] = {}
    for turn in itertools.count():
        if select.select([sys.stdin], [], [], PAUSE_S)[0]:
            break
        now = time.monotonic()
        processes = [entry.name for entry in os.scandir("/proc") if entry.name.isdigit()]
        born = {name: born.get(name, now) for name in processes}
        for name in processes:
            if turn % ROUNDS and now - born[name] > YOUNG_S:
                continue
            process = Path("/proc", name)
            with contextlib.suppress(OSError):
                raw = (process / "cmdline").read_bytes()
                if known.get(name) == raw:
                    # Its environment as /proc shows it is that of its start.
                    continue
                line = raw.replace(b"\0", b" ").decode()
                args.add(line)
                environment = (process / "environ").read_bytes().decode(errors="replace")
                environments.add(hash(environment))
                shown.update((word, line) for word in words if word in environment)
                known[name] = raw
        for folder in map(Path, sys.argv[1:]):
            with contextlib.suppress(OSError):
                for path in (folder, *folder.iterdir()):
                    # One that is gone before it is looked at was seen in another round.
                    with contextlib.suppress(OSError):
                        found = path.lstat()
                        files.add((str(path), found.st_uid, stat.S_IMODE(found.st_mode)))
    print(
        json.dumps(
            {
                "args": sorted(args),
                "environments": len(environments),
                "shown": sorted(shown),
                "files": sorted(files),
            }
        )
    )


if __name__ == "__main__":
    main()
