"""The stand-in's release as another version."""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import zipfile
from pathlib import Path

from llmrack.lab.standins.ollama import STANDIN_VERSION


def archive_of(version: str, original: Path, target: Path) -> str:
    """Write the stand-in's release as if it were of another version; its SHA-256."""
    tree = target.parent / "tree"
    tree.mkdir(parents=True)
    subprocess.run(["tar", "--zstd", "-xf", original, "-C", tree], check=True)
    program = tree / "bin" / "ollama"
    shebang = program.read_bytes().splitlines(keepends=True)[0]
    content = io.BytesIO()
    with zipfile.ZipFile(program) as old, zipfile.ZipFile(content, "w") as new:
        for entry in old.infolist():
            text = old.read(entry).replace(STANDIN_VERSION.encode(), version.encode())
            new.writestr(entry, text)
    program.write_bytes(shebang + content.getvalue())
    subprocess.run(["tar", "--zstd", "-cf", target, "-C", tree, "bin", "lib"], check=True)
    shutil.rmtree(tree)
    return hashlib.sha256(target.read_bytes()).hexdigest()
