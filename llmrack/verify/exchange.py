"""One HTTP exchange with two deadlines: between two reads, and for the whole."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from dataclasses import field as field_of
from typing import Any

import httpx

from llmrack.verify.results import Failed, one_line


@dataclass(frozen=True)
class Bounds:
    """Seconds an exchange may take: between two reads (the first included), and as a whole."""

    gap: float
    total: float


@dataclass(frozen=True)
class Form:
    """A request's body with a file in it: other fields, and the file's field, name and content."""

    fields: Mapping[str, str]
    field: str
    filename: str
    content: bytes = field_of(repr=False)

    def beside(self, fields: Mapping[str, object]) -> Form:
        """The form with more fields; all its values are text."""
        texts = {name: str(value) for name, value in fields.items()}
        return replace(self, fields={**texts, **self.fields})


@dataclass
class Answer:
    """An answer whose body is still to be read.

    + who: the server, for messages
    + status: HTTP status
    + headers: the answer's headers
    """

    who: str
    status: int
    headers: httpx.Headers
    _response: httpx.Response = field_of(repr=False)
    _started: float
    _bounds: Bounds

    @property
    def elapsed(self) -> float:
        """Seconds since the request was sent."""
        return time.perf_counter() - self._started

    def lines(self) -> Iterator[str]:
        """The body's lines as they arrive. Raises Failed when the time is over."""
        rest = ""
        for chunk in self._chunks():
            *lines, rest = (rest + chunk).split("\n")
            yield from lines
        yield rest

    def text(self) -> str:
        """The whole body. Raises Failed when the time is over."""
        return "".join(self._chunks())

    def content(self) -> bytes:
        """The whole body as bytes. Raises Failed when the time is over."""
        content = b""
        for chunk in self._response.iter_bytes():
            content += chunk
            self._in_time()
        return content

    def json(self) -> Any:  # noqa: ANN401  (whatever the server sent)
        """The whole body as JSON. Raises Failed when the time is over, or when it is not JSON."""
        return parse(self.text(), self.who)

    def _chunks(self) -> Iterator[str]:
        for chunk in self._response.iter_text():
            yield chunk
            self._in_time()

    def _in_time(self) -> None:
        if self.elapsed > self._bounds.total:
            raise _late(self.who, self._bounds.total)


@dataclass(frozen=True)
class Request:
    """A request: a POST if it has a body, else a GET."""

    path: str
    body: Mapping[str, object] | Form | None = None
    headers: Mapping[str, str] | None = None


@contextmanager
def ask(client: httpx.Client, request: Request, who: str, bounds: Bounds) -> Iterator[Answer]:
    """Send a request; the body of its answer is read inside the ``with``.

    + who: the server, as the subject of messages ("the gateway")

    Raises Failed, without the request's headers in its text, when no whole answer comes.
    """
    started = time.perf_counter()
    body = request.body
    sent: dict[str, Any] = {"json": body}
    if isinstance(body, Form):
        sent = {"data": body.fields, "files": {body.field: (body.filename, body.content)}}
    try:
        with client.stream(
            "GET" if body is None else "POST",
            request.path,
            headers=request.headers,
            timeout=httpx.Timeout(bounds.gap),
            **sent,
        ) as response:
            yield Answer(who, response.status_code, response.headers, response, started, bounds)
    except httpx.TimeoutException:
        raise _late(who, bounds.gap) from None
    except (httpx.LocalProtocolError, UnicodeEncodeError):
        # Their text repeats the header.
        raise Failed(
            "the key has characters that no HTTP header can carry; "
            "give another one (llmrack secrets rotate)"
        ) from None
    except httpx.ConnectError as error:
        raise Failed(_unreachable(who, str(error))) from None
    except httpx.HTTPError as error:
        raise Failed(
            f"{who} broke off ({one_line(str(error)) or type(error).__name__}); "
            "see the journal of its unit"
        ) from None


def parse(text: str, who: str) -> Any:  # noqa: ANN401  (whatever the server sent)
    """``text`` as JSON. Raises Failed."""
    try:
        return json.loads(text)
    except ValueError:
        raise Failed(
            f"{who} sent no JSON: {one_line(text, 80)!r}; see whether another program answers there"
        ) from None


def dig(data: object, *path: str | int) -> Any:  # noqa: ANN401  (whatever the server sent)
    """The value at ``path`` in foreign JSON, or None if there is none."""
    for step in path:
        if isinstance(step, str) and isinstance(data, dict):
            data = data.get(step)
        elif isinstance(step, int) and isinstance(data, list) and step < len(data):
            data = data[step]
        else:
            return None
    return data


def whole_number(data: object, key: str) -> int:
    """A whole number in foreign JSON, or 0."""
    value = dig(data, key)
    return value if isinstance(value, int) else 0


def _late(who: str, seconds: float) -> Failed:
    return Failed(
        f"{who} did not answer within {seconds:g} s; see the journal of its unit, "
        "or allow more time if the model is slow to load",
        timed_out=True,
    )


def _unreachable(who: str, error: str) -> str:
    if "certificate" in error.lower():
        return f"{who} shows a certificate that is not trusted; install its CA here"
    return f"{who} cannot be reached ({one_line(error)}); see whether its unit runs"
