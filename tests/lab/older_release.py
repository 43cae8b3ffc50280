"""The stand-in's release as another version."""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import zipfile
from pathlib import Path

from llmrack_lab.standins.ollama import STANDIN_VERSION

# As it stands in the stand-in's backstage.py.
PACE = b"_TOKEN_INTERVAL_S = 0.002"


def archive_of(
    version: str, original: Path, target: Path, instead: str = "", pace: float = 0.002
) -> str:
    """Write the stand-in's release as if it were of another version; its SHA-256.

    + instead: a script for ``sh`` that is run in the place of its program, which it finds as $REAL
    + pace: seconds from one token to the next
    """
    tree = target.parent / "tree"
    tree.mkdir(parents=True)
    subprocess.run(["tar", "--zstd", "-xf", original, "-C", tree], check=True)
    program = tree / "bin" / "ollama"
    shebang = program.read_bytes().splitlines(keepends=True)[0]
    content = io.BytesIO()
    with zipfile.ZipFile(program) as old, zipfile.ZipFile(content, "w") as new:
        for entry in old.infolist():
            text = old.read(entry).replace(STANDIN_VERSION.encode(), version.encode())
            text = text.replace(PACE, PACE.replace(b"0.002", str(pace).encode()))
            new.writestr(entry, text)
    program.write_bytes(shebang + content.getvalue())
    if instead:
        program.rename(program.with_name("real"))
        program.write_text(f'#!/bin/sh\nREAL=$(dirname "$(readlink -f "$0")")/real\n{instead}\n')
        program.chmod(0o755)
    subprocess.run(["tar", "--zstd", "-cf", target, "-C", tree, "bin", "lib"], check=True)
    shutil.rmtree(tree)
    return hashlib.sha256(target.read_bytes()).hexdigest()
