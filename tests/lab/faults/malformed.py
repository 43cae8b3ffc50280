"""Requests that hypothesis makes up: some are well formed, many are not."""

from __future__ import annotations

import json
from dataclasses import dataclass

from hypothesis import strategies as st

from tests.lab.serving import MODEL

TOKEN = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_", min_size=1)
VALUE = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=200) | st.text(
    st.characters(codec="latin-1", exclude_characters="\r\n\0"), max_size=5
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.sampled_from(
    ["model", "messages", "stream", "tools", "temperature", "max_tokens", "stop", "n", "metadata"]
)
BODIES = st.one_of(
    st.binary(max_size=2000),
    JSON.map(lambda value: json.dumps(value).encode()),
    st.dictionaries(FIELDS, JSON).map(
        lambda value: json.dumps(
            {"model": MODEL, "messages": [{"role": "user", "content": "hello"}]} | value
        ).encode()
    ),
)
PATHS = st.one_of(
    st.sampled_from(
        [
            *("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/messages"),
            *("/v1/responses", "/v1/models", "/health/liveliness"),
        ]
    ),
    st.text(st.characters(min_codepoint=33, max_codepoint=126)).map(lambda text: f"/{text}"),
)
METHODS = st.one_of(
    *[st.just("POST")] * 6,
    st.sampled_from(["GET", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"]) | TOKEN,
)
CHUNKS = st.lists(
    st.tuples(st.sampled_from(["{:x}", "{:X};a=b", "0x{:x}", "-{:x}", "{:x}{:x}", ""]), BODIES)
)


def chunked(chunks: list[tuple[str, bytes]]) -> bytes:
    """A body in chunks, whose lengths may be wrong."""
    found = b"".join(
        form.format(len(data), len(data)).encode() + b"\r\n" + data + b"\r\n"
        for form, data in chunks
    )
    return found + b"0\r\n\r\n"


@dataclass(frozen=True)
class Request:
    """A request; ``lines`` are those of its head that tests make up."""

    method: str
    path: str
    lines: list[str]
    body: bytes


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """Any request."""
    lines = [
        f"{name}: {value}" for name, value in draw(st.lists(st.tuples(TOKEN, VALUE), max_size=3))
    ]
    if draw(st.booleans()):
        body = draw(BODIES)
        length = draw(st.just(len(body)) | st.sampled_from([0, -1, 10**9, 10**30, "0x10", "1, 2"]))
        lines.append(f"Content-Length: {length}")
    else:
        body = chunked(draw(CHUNKS))
        lines.append("Transfer-Encoding: chunked")
    kind = draw(st.sampled_from(["application/json"] * 3 + ["multipart/form-data", ""]) | VALUE)
    lines.append(f"Content-Type: {kind}")
    return Request(draw(METHODS), draw(PATHS), lines, body)
