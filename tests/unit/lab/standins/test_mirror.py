"""The stand-in of a mirror: it sends the files of a folder, well or badly."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from llmrack_lab.standins.mirror import Mirror

CONTENT = bytes(range(256)) * 4000


@pytest.fixture
def client(tmp_path: Path) -> Iterator[httpx.Client]:
    folder = tmp_path / "mirror"
    (folder / "simple").mkdir(parents=True)
    (folder / "simple" / "index.html").write_text("an index")
    (folder / "file").write_bytes(CONTENT)
    (tmp_path / "secret").write_text("of somebody else")
    server = Mirror(("127.0.0.1", 0), folder)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    host, port = server.server_address[:2]
    with httpx.Client(base_url=f"http://{host!s}:{port}", trust_env=False) as client:
        yield client
    server.shutdown()
    server.server_close()


def make(client: httpx.Client, mode: str) -> None:
    client.post("/__standin__/fault", json={"mode": mode}).raise_for_status()


def test_a_file_is_sent_as_it_is(client: httpx.Client) -> None:
    assert client.get("/file").content == CONTENT
    assert client.get("/file", headers={"Range": "bytes=9-"}).content == CONTENT[9:]


def test_a_folder_answers_with_its_index(client: httpx.Client) -> None:
    assert client.get("/simple/").text == "an index"


@pytest.mark.parametrize("path", ["/nothing", "/..%2fsecret", "/"])
def test_what_is_not_there_is_404(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 404


def test_damage_is_one_byte(client: httpx.Client) -> None:
    make(client, "damage")
    differ = [a != b for a, b in zip(client.get("/file").content, CONTENT, strict=True)]
    assert sum(differ) == 1
    start = len(CONTENT) // 2 + 1
    after = client.get("/file", headers={"Range": f"bytes={start}-"}).content
    assert after == CONTENT[start:]


def test_short_says_that_there_is_half_of_it(client: httpx.Client) -> None:
    make(client, "short")
    assert client.get("/file").content == CONTENT[: len(CONTENT) // 2]


@pytest.mark.parametrize("mode", ["long", "reset"])
def test_what_says_too_much_or_breaks_is_an_error(client: httpx.Client, mode: str) -> None:
    make(client, mode)
    with pytest.raises(httpx.RemoteProtocolError):
        client.get("/file")


def test_loop_has_no_end(client: httpx.Client) -> None:
    make(client, "loop")
    with pytest.raises(httpx.TooManyRedirects):
        client.get("/file", follow_redirects=True)


def test_an_unknown_fault_is_refused(client: httpx.Client) -> None:
    assert client.post("/__standin__/fault", json={"mode": "explode"}).status_code == 400
