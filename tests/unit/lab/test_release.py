"""Which Ollama a lab's hosts get."""

from __future__ import annotations

import hashlib
import runpy
import subprocess
from pathlib import Path

import pytest

from llmrack_lab import release
from llmrack_lab.shell import LabError


def make_archive(folder: Path, says: str) -> Path:
    program = folder / "content" / "bin" / "ollama"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho '{says}'\n")
    program.chmod(0o755)
    archive = folder / "given.tar.zst"
    subprocess.run(["tar", "--zstd", "-cf", archive, "-C", folder / "content", "."], check=True)
    return archive


@pytest.fixture(autouse=True)
def _no_archive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(release.ARCHIVE_VARIABLE, raising=False)


def test_a_given_archive_comes_first_and_is_asked_for_its_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = make_archive(tmp_path, "Warning: client version is 0.33.1-rc2")
    monkeypatch.setenv(release.ARCHIVE_VARIABLE, str(archive))
    chosen = release.choose("official", tmp_path / "mirror", "amd64")
    assert (chosen.kind, chosen.version) == ("archive", "0.33.1-rc2")
    assert chosen.archive == tmp_path / "mirror" / "v0.33.1-rc2" / "ollama-linux-amd64.tar.zst"
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    assert chosen.settings("amd64")["ollama_sha256"] == {"amd64": digest}


def test_a_given_archive_that_is_not_there_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(release.ARCHIVE_VARIABLE, "/no/such.tar.zst")
    with pytest.raises(LabError, match=r"names /no/such\.tar\.zst, and there is no such file"):
        release.choose(None, tmp_path, "amd64")


def test_an_archive_without_ollama_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = make_archive(tmp_path, "")
    (tmp_path / "content" / "bin" / "ollama").rename(tmp_path / "content" / "other")
    argv = ["tar", "--zstd", "-cf", str(archive), "-C", str(tmp_path / "content"), "other"]
    subprocess.run(argv, check=True)
    monkeypatch.setenv(release.ARCHIVE_VARIABLE, str(archive))
    with pytest.raises(LabError, match="has no bin/ollama"):
        release.choose(None, tmp_path, "amd64")


@pytest.mark.parametrize(("reachable", "kind"), [(True, "official"), (False, "stand-in")])
def test_the_official_release_is_taken_where_it_can_be_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reachable: bool, kind: str
) -> None:
    monkeypatch.setattr(release, "_can_download", lambda version, file: reachable)
    assert release.choose(None, tmp_path, "amd64").kind == kind


def test_a_lab_keeps_its_choice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release, "_can_download", lambda version, file: True)
    assert release.choose("stand-in", tmp_path, "amd64").kind == "stand-in"


def test_the_official_release_needs_no_settings(tmp_path: Path) -> None:
    assert release.choose("official", tmp_path, "amd64").settings("amd64") == {}


def test_the_mirror_has_the_checksums_of_the_stand_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(release, "_can_download", lambda version, file: False)
    chosen = release.choose(None, tmp_path, "arm64")
    assert chosen.archive
    digest = hashlib.sha256(chosen.archive.read_bytes()).hexdigest()
    text = chosen.archive.with_name("sha256sum.txt").read_text()
    rocm = hashlib.sha256(chosen.rocm.read_bytes()).hexdigest() if chosen.rocm else ""
    sums = {"amd64": digest, "amd64-rocm": rocm, "arm64": digest}
    lines = [f"{sums[file]}  ./ollama-linux-{file}.tar.zst\n" for file in sums]
    assert text == "".join(lines)
    assert chosen.settings("arm64")["ollama_sha256"] == {"arm64": digest, "amd64-rocm": rocm}


def test_libraries_of_rocm_beside_a_given_archive_are_on_the_mirror(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = make_archive(tmp_path, "Warning: client version is 0.33.1-rc2")
    monkeypatch.setenv(release.ARCHIVE_VARIABLE, str(archive))
    assert release.choose(None, tmp_path / "mirror", "amd64").rocm is None
    archive.with_name("ollama-linux-amd64-rocm.tar.zst").write_text("rocm")
    chosen = release.choose(None, tmp_path / "mirror", "amd64")
    assert chosen.rocm and chosen.rocm.read_text() == "rocm"
    assert set(chosen.settings("amd64")["ollama_sha256"]) == {"amd64", "amd64-rocm"}


def test_the_mirror_has_the_checksums_of_a_given_archive_and_of_the_pin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = make_archive(tmp_path, "Warning: client version is 0.33.1-rc2")
    monkeypatch.setenv(release.ARCHIVE_VARIABLE, str(archive))
    release.choose(None, tmp_path / "mirror", "amd64")
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    by_version = {path.parent.name: path.read_text() for path in tmp_path.rglob("sha256sum.txt")}
    assert by_version["v0.33.1-rc2"] == f"{digest}  ./ollama-linux-amd64.tar.zst\n"
    pin = runpy.run_path(str(release.GROUP_DATA))
    assert pin["ollama_sha256"]["arm64"] in by_version[f"v{pin['ollama_version']}"]
