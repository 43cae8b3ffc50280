"""Which releases come into a lock file; the index is made up, and uv reads it."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tools.lock import Lock, Refused, make_locks

OLD, YOUNG = timedelta(days=400), timedelta(hours=3)
# Version → when it came out, and whether it was yanked. The two that once were malicious are gone
# from the real index; of 1.82.9 there never was one.
RELEASES = {
    "1.82.5": (OLD, False),
    "1.82.6": (OLD, False),
    "1.82.7": (OLD, True),
    "1.82.8": (YOUNG, False),
}
LOCK = Lock("gateway", "requirements.in", "requirements.txt", ("--python-version", "3.11"))
# What stands in for pip-audit: it notes what it is asked about, and knows of one release.
AUDIT = """
import sys
from pathlib import Path
asked = Path(sys.argv[-1]).read_text()
with Path(sys.argv[1]).open("a") as file:
    file.write(asked)
sys.exit("litellm==1.82.5" in asked)
"""


def digest(version: str) -> str:
    """As if of a wheel, which nobody fetches."""
    return hashlib.sha256(version.encode()).hexdigest()


class Index(BaseHTTPRequestHandler):
    """Answers as PyPI does (PEP 658, 691, 700)."""

    def do_GET(self) -> None:
        if self.path.endswith(".metadata"):
            version = self.path.split("-")[1]
            text = f"Metadata-Version: 2.1\nName: litellm\nVersion: {version}\n"
            self.reply(text.encode(), "text/plain")
            return
        files = [
            {
                "filename": f"litellm-{version}-py3-none-any.whl",
                "url": f"/litellm-{version}-py3-none-any.whl",
                "hashes": {"sha256": digest(version)},
                "core-metadata": True,
                "upload-time": (datetime.now(UTC) - age).isoformat().replace("+00:00", "Z"),
                "yanked": yanked,
            }
            for version, (age, yanked) in RELEASES.items()
        ]
        page = {"meta": {"api-version": "1.1"}, "name": "litellm", "files": files}
        self.reply(json.dumps(page).encode(), "application/vnd.pypi.simple.v1+json")

    def reply(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def index() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Index) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/simple/"
        server.shutdown()


@pytest.fixture
def project(tmp_path: Path, index: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose lock file is empty."""
    monkeypatch.setenv("UV_DEFAULT_INDEX", index)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    for name in ("UV_INDEX", "UV_INDEX_URL", "UV_FIND_LINKS", "UV_EXCLUDE_NEWER"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "gateway").mkdir()
    (tmp_path / "gateway" / "requirements.txt").write_text("")
    (tmp_path / "audit.py").write_text(AUDIT)
    return tmp_path


def lock(project: Path, asked: str) -> str:
    """Lock what is asked for; the lock file."""
    (project / "gateway" / "requirements.in").write_text(f"{asked}\n")
    audit = [sys.executable, str(project / "audit.py"), str(project / "audited")]
    make_locks(project, [LOCK], audit)
    return (project / "gateway" / "requirements.txt").read_text()


def refused(project: Path, asked: str) -> str:
    """Why nothing is locked; the lock file has stayed, and nothing lies beside it."""
    with pytest.raises(Refused) as caught:
        lock(project, asked)
    folder = project / "gateway"
    assert (folder / "requirements.txt").read_text() == ""
    assert len(list(folder.iterdir())) == 2
    return str(caught.value)


def test_the_newest_release_that_is_old_enough_and_not_yanked_is_locked(project: Path) -> None:
    expected = f"litellm==1.82.6 \\\n    --hash=sha256:{digest('1.82.6')}\n"
    assert expected in lock(project, "litellm")


def test_a_release_that_is_too_young_is_refused(project: Path) -> None:
    reason = refused(project, "litellm==1.82.8")
    assert "requirements.in: " in reason
    assert "v1.82.8, was published at" in reason
    assert "locked when it has been out for 7 days" in reason


def test_a_release_that_was_yanked_is_refused(project: Path) -> None:
    reason = refused(project, "litellm==1.82.7")
    assert "taken back by its authors (yanked): litellm==1.82.7; ask for another" in reason


def test_a_release_that_has_vanished_is_refused(project: Path) -> None:
    assert "there is no version of litellm==1.82.9" in refused(project, "litellm==1.82.9")


def test_a_release_with_a_known_vulnerability_is_refused(project: Path) -> None:
    assert "pip-audit found a known vulnerability" in refused(project, "litellm==1.82.5")


def test_of_what_is_locked_already_nobody_is_asked_again(project: Path) -> None:
    before = lock(project, "litellm==1.82.6")
    asked = (project / "audited").read_text()
    assert asked.startswith("litellm==1.82.6 \\\n    --hash=sha256:")
    assert lock(project, "litellm") == before
    assert (project / "audited").read_text() == asked
