"""Debian packages with all their dependencies, also for another system than this machine's."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Collection
from pathlib import Path

from llmrack.bundle.fetch import BundleError
from llmrack.bundle.targets import Target
from llmrack.stack.bundle import PACKAGES_INDEX, digest


def get_packages(names: Collection[str], target: Target, folder: Path) -> None:
    """Download exactly ``names`` and all their dependencies into ``folder``.

    apt resolves them for a system without a single package, so that the packages of a host do not
    matter. Writes the index that the host's apt reads. Raises BundleError.
    """
    if not Path(target.keyring).is_file():
        raise BundleError(
            f"there is no {target.keyring}, by which packages of {target.name} are checked: "
            f"install {target.keyring_package}, or make the bundle on {target.name.split('-')[0]}"
        )
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as state:
        apt_state = Path(state)
        _apt(apt_state, target, apt_state, "update")
        install = ["--no-install-recommends", "install", *sorted(names)]
        # apt leaves out files that are among the archives, so this folder has none.
        uris = _apt(apt_state, target, apt_state, "--print-uris", "-qq", *install)
        # As in: 'http://…' curl_7.88.1-10+deb12u15_amd64.deb 315000 SHA256:…
        lines = [line.split() for line in uris.splitlines() if line.startswith("'")]
        needed = {name: sha256.partition(":")[2] for _, name, _, sha256 in lines}
        # apt accepts a file whose size is right, so the digest is checked here.
        for path in folder.glob("*.deb"):
            if needed.get(path.name) != digest(path):
                path.unlink()
        _apt(apt_state, target, folder, "--download-only", *install)
    shutil.rmtree(folder / "partial")
    stanzas = [_stanza(folder / name) for name in sorted(needed)]
    (folder / PACKAGES_INDEX).write_text("\n".join(stanzas), encoding="utf-8")


def _apt(state: Path, target: Target, archives: Path, *command: str) -> str:
    """Run apt-get with a state of its own; this machine's proxies stay in force."""
    (state / "status").touch()
    (state / "sources.list").write_text(target.apt_sources, encoding="utf-8")
    for folder in (state / "lists" / "partial", archives / "partial"):
        folder.mkdir(parents=True, exist_ok=True)
    options = {
        "Dir::State": state,
        "Dir::State::status": state / "status",
        "Dir::Cache": state,
        "Dir::Cache::archives": archives.absolute(),
        "Dir::Etc::SourceList": state / "sources.list",
        "Dir::Etc::SourceParts": "-",
        "Dir::Etc::Preferences": "-",
        "Dir::Etc::PreferencesParts": "-",
        "APT::Architecture": target.arch,
        "APT::Architectures": target.arch,
        "APT::Sandbox::User": "",
        "APT::Update::Post-Invoke-Success": "",
        "Acquire::ForceHash": "sha256",
        "Acquire::Languages": "none",
        "Acquire::Retries": "3",
        # The user need not be root, and nobody else uses this state.
        "Debug::NoLocking": "true",
    }
    words = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
    try:
        done = subprocess.run(  # noqa: S603  (a fixed program, no shell)
            ["apt-get", *words, "-y", *command],  # noqa: S607  (found by PATH)
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    except FileNotFoundError:
        raise BundleError("there is no apt-get: make bundles on Debian or Ubuntu") from None
    errors = [line for line in done.stderr.splitlines() if line.startswith(("E:", "W: Failed"))]
    if done.returncode or errors:
        why = " ".join(errors) or done.stderr.strip() or "it does not say why"
        raise BundleError(f"apt-get could not get the packages for {target.name}: {why}")
    return done.stdout


def _stanza(package: Path) -> str:
    """A package's entry in the index (https://wiki.debian.org/DebianRepository/Format)."""
    control = subprocess.run(  # noqa: S603  (a fixed program, no shell)
        ["dpkg-deb", "--field", str(package)],  # noqa: S607  (found by PATH)
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    return (
        f"{control.rstrip()}\nFilename: {package.name}\nSize: {package.stat().st_size}\n"
        f"SHA256: {digest(package)}\n"
    )
