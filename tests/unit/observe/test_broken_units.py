"""What a host prints of units that cannot start, and what becomes of it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from llmrack.observe.broken_units import BrokenUnit, parsed
from llmrack.resources.script import script_file

# A manager with a unit that runs, one that ended, one that failed and one that is tried again.
SYSTEMCTL = """#!/bin/sh
case "$4 $5" in
"ActiveState failed") echo failed;;
"ActiveState again" | "ActiveState tried" | "ActiveState first") echo activating;;
"ActiveState ended") echo inactive;;
"ActiveState runs" | "ActiveState flaps") echo active;;
"SubState flaps") echo running;;
"Result flaps") echo success;;
"NRestarts flaps") echo 3;;
"ActiveEnterTimestamp flaps") date "+%a %Y-%m-%d %H:%M:%S %Z";;
"SubState again") echo auto-restart-queued;;
"SubState tried" | "SubState first") echo start-pre;;
"Result tried" | "Result first") echo success;;
"NRestarts tried") echo 1;;
"NRestarts first") echo 0;;
"SubState failed") echo failed;;
"Result failed") echo start-limit-hit;;
"Result again") echo exit-code;;
"NRestarts again") echo 12;;
esac
"""
JOURNAL = """#!/bin/sh
case "$*" in *=again*) printf 'bind: address\\tin use\\n';; *) printf 'one\\ntwo\\n';; esac
"""
PASSES = """#!/bin/sh
while [ "$1" != systemctl ]; do shift; done; exec "$@"
"""


def test_units_that_cannot_start_are_told(tmp_path: Path) -> None:
    for name, text in (("systemctl", SYSTEMCTL), ("journalctl", JOURNAL), ("setpriv", PASSES)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    names = ("runs", "ended", "failed", "again", "flaps", "tried", "first")
    done = subprocess.run(
        ["sh", "-c", script_file("observe/broken-units.sh", "root", *names)],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert parsed("box1", done.stdout.splitlines()) == [
        BrokenUnit("box1", "failed", "failed (start-limit-hit)", 0, ("one", "two")),
        BrokenUnit(
            "box1", "again", "auto-restart-queued (exit-code)", 12, ("bind: address in use",)
        ),
        BrokenUnit("box1", "flaps", "running (success)", 3, ("one", "two")),
        BrokenUnit("box1", "tried", "start-pre (success)", 1, ("one", "two")),
    ]


def test_a_host_without_the_service_user_has_no_units(tmp_path: Path) -> None:
    script = script_file("observe/broken-units.sh", "nobody-yet", "llmrack-gateway.socket")
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == ""
