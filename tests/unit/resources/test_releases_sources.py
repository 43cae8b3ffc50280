"""The archive of a release from sources that send it badly."""

from __future__ import annotations

import hashlib
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from llmrack.resources.look import Seen
from llmrack.resources.releases import Archive, Source
from llmrack_lab.standins.mirror import Mirror


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Mirror]:
    folder = tmp_path / "mirror"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "ollama").write_text("#!/bin/sh\n")
    (folder / "bin" / "ollama").chmod(0o755)
    # Some chunks long: it does not break in the first one.
    (folder / "bin" / "more").write_bytes(hashlib.shake_256(b"x").digest(400_000))
    subprocess.run(["tar", "--zstd", "-cf", "a.tar.zst", "bin"], cwd=folder, check=True)
    server = Mirror(("127.0.0.1", 0), folder)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def install(
    tmp_path: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Install the archive from the mirror; gives the first of its scripts that failed."""
    monkeypatch.setattr("llmrack.resources.releases.owned", lambda owner, text: text)
    url = f"http://127.0.0.1:{mirror.server_address[1]}/a.tar.zst"
    digest = hashlib.sha256((mirror.directory / "a.tar.zst").read_bytes()).hexdigest()

    def install(sha256: str = digest, urls: tuple[str, ...] = (url,)):
        cache = f"{tmp_path}/cache"
        archive = Archive(f"{tmp_path}/release", (Source(sha256, None, urls),), "me", cache)
        for action in archive.change(Seen(), ()).actions:
            done = subprocess.run(["sh", "-c", action.script], capture_output=True, text=True)
            if done.returncode:
                break
        return done

    return install


def left(tmp_path: Path) -> list[str]:
    """What there is beside the mirror: half of a release, above all."""
    return sorted(path.name for path in tmp_path.iterdir() if path.name not in ("mirror", "cache"))


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("damage", "is not the pinned file: its SHA-256 differs from ollama_sha256"),
        ("short", "is not the pinned file: its SHA-256 differs from ollama_sha256"),
        ("reset", "transfer closed with"),
        ("loop", "Maximum (50) redirects followed"),
    ],
)
def test_a_bad_source_is_named_and_a_good_one_makes_up_for_it(
    tmp_path: Path, mirror: Mirror, install, fault: str, message: str
) -> None:
    mirror.set_fault(fault)
    done = install()
    assert done.returncode == 1
    assert message in done.stdout + done.stderr
    assert "no source has the pinned file: set ollama_mirror" in done.stdout
    assert left(tmp_path) == []
    mirror.set_fault("ok")
    assert install().returncode == 0
    assert left(tmp_path) == ["release"]


def test_a_file_that_is_whole_is_taken_although_more_was_promised(
    tmp_path: Path, mirror: Mirror, install
) -> None:
    mirror.set_fault("long")
    done = install()
    assert done.returncode == 0
    assert left(tmp_path) == ["release"]


def test_what_a_broken_transfer_left_is_continued(tmp_path: Path, mirror: Mirror, install) -> None:
    mirror.set_fault("reset")
    install()
    mirror.set_fault("ok")
    before = mirror.bytes_sent
    assert install().returncode == 0
    size = (mirror.directory / "a.tar.zst").stat().st_size
    # It had come three times, each time a little.
    assert mirror.bytes_sent - before == size - 3 * 8 * 1024


def test_a_damaged_beginning_is_thrown_away_and_fetched_anew(
    tmp_path: Path, mirror: Mirror, install
) -> None:
    mirror.set_fault("reset")
    install()
    (part,) = (tmp_path / "cache").iterdir()
    part.write_bytes(b"x" * part.stat().st_size)
    mirror.set_fault("ok")
    assert install().returncode == 0


def test_a_pinned_file_that_is_no_archive_is_named(tmp_path: Path, mirror: Mirror, install) -> None:
    (mirror.directory / "a.tar.zst").write_text("an error page")
    done = install(hashlib.sha256(b"an error page").hexdigest())
    assert done.returncode == 1 and "cannot be unpacked" in done.stdout
    assert left(tmp_path) == []


def test_an_archive_without_ollama_is_named(tmp_path: Path, mirror: Mirror, install) -> None:
    (mirror.directory / "bin" / "ollama").rename(mirror.directory / "bin" / "other")
    archive = mirror.directory / "a.tar.zst"
    subprocess.run(["tar", "--zstd", "-cf", archive, "bin"], cwd=mirror.directory, check=True)
    done = install(hashlib.sha256(archive.read_bytes()).hexdigest())
    assert done.returncode == 1 and "it is no release of Ollama for Linux" in done.stdout
    assert left(tmp_path) == []


def test_an_archive_that_was_sent_is_gone_whether_it_could_be_taken_or_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llmrack.resources.releases.owned", lambda owner, text: text)
    source = Source("a" * 64, "x", ())
    change = Archive(f"{tmp_path}/release", (source,), "me", "/proc/nothing").change(Seen(), ())
    upload, take, _ = change.actions
    script = take.script.replace(upload.remote, f"{tmp_path}/arrived")
    (tmp_path / "arrived").write_text("an archive")
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True)
    assert done.returncode == 1
    assert left(tmp_path) == []
