"""What a real connection does, which a mock transport does not show."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import httpx
import pytest

from llmrack.verify.exchange import Bounds, Request, ask, dig
from llmrack.verify.results import Failed, one_line


@pytest.fixture
def silent() -> Iterator[str]:
    """Address of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def failure(url: str, gap: float = 5, headers: dict[str, str] | None = None) -> Failed:
    with (
        httpx.Client(base_url=url) as client,
        pytest.raises(Failed) as caught,
        ask(client, Request("/", headers=headers), "the server", Bounds(gap, gap)) as answer,
    ):
        answer.text()
    return caught.value


def test_a_server_that_never_answers_is_given_up(silent: str) -> None:
    failed = failure(silent, gap=0.05)
    assert failed.timed_out
    assert failed.detail.startswith("the server did not answer within 0.05 s;")


def test_a_server_that_does_not_run_is_told(silent: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert "cannot be reached" in failure(f"http://127.0.0.1:{port}").detail


@pytest.mark.parametrize("key", ["sk-líne", "sk-line\nbreak"])
def test_a_key_that_no_header_can_carry_is_told_without_it(silent: str, key: str) -> None:
    failed = failure(silent, headers={"Authorization": f"Bearer {key}"})
    assert "no HTTP header can carry" in failed.detail
    assert "sk-l" not in failed.detail and failed.__suppress_context__


def test_a_certificate_that_is_not_trusted_is_told() -> None:
    def distrust(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed")

    with (
        httpx.Client(transport=httpx.MockTransport(distrust), base_url="https://gw") as client,
        pytest.raises(Failed, match="certificate that is not trusted; install its CA"),
        ask(client, Request("/"), "the server", Bounds(1, 1)),
    ):
        pass


@pytest.mark.parametrize("path", [("a", 5), ("a", "b"), ("x",), (0,)])
def test_foreign_json_of_another_shape_gives_none(path: tuple[str | int, ...]) -> None:
    assert dig({"a": [1]}, *path) is None


def test_foreign_text_becomes_one_printable_bounded_line() -> None:
    assert one_line("a\n\tb\x1b[31m") == "a b?[31m"
    assert len(one_line("x" * 1000)) == 300
