"""A mixed load of a gateway by the OpenAI SDK, and what its client counted of it."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import openai

from llmrack_lab.shell import wait_until
from tests import DEADLINE
from tests.lab.site import Site

AT_ONCE = 8
UNKNOWN = "no-such-model"


@dataclass
class Count:
    """What a client counted, or a gateway.

    + errors: by class; a client's are those of UNKNOWN, the one that it provokes
    """

    calls: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    input_tokens: int = 0
    output_tokens: int = 0

    def __sub__(self, other: Count) -> Count:
        return Count(
            self.calls - other.calls,
            self.errors - other.errors,
            self.input_tokens - other.input_tokens,
            self.output_tokens - other.output_tokens,
        )


def usage(site: Site, by: str = "model") -> dict[str, Any]:
    """``llmrack usage`` of the last hour."""
    run = site.run("llmrack", "usage", "--last", "1h", "--by", by, "--json", "-i", site.inventory)
    assert run.code == 0, run.output
    found: dict[str, Any] = json.loads(run.output)
    return found


def counted(site: Site, by: str = "model") -> Count:
    """What the gateways counted in the last hour."""
    found = usage(site, by)
    total = found["total"]
    return Count(
        Counter({group["name"]: group["calls"] for group in found["groups"]}),
        Counter(total["errors"]),
        total["input_tokens"],
        total["output_tokens"],
    )


def mixed_load(
    url: str, key: str, chat: list[str], embedding: list[str] | None = None, times: int = 3
) -> Count:
    """Ask every model ``times`` times, plain, streamed and for vectors, and for one nobody has."""
    found = Count()
    with (
        openai.DefaultHttpxClient(trust_env=False, timeout=60) as http,
        openai.OpenAI(base_url=url, api_key=key, max_retries=0, http_client=http) as client,
        ThreadPoolExecutor(AT_ONCE) as pool,
    ):
        work: list[tuple[Callable[..., tuple[int, int]], str]] = []
        for _ in range(times):
            work += [(way, model) for model in chat for way in (_plain, _streamed)]
            work += [(_vector, model) for model in embedding or ()]
        for model, tokens in pool.map(lambda each: (each[1], each[0](client, each[1])), work):
            found.calls[model] += 1
            found.input_tokens += tokens[0]
            found.output_tokens += tokens[1]
        for _ in range(times):
            try:
                _plain(client, UNKNOWN)
            except openai.APIStatusError:
                found.calls[UNKNOWN] += 1
                found.errors[UNKNOWN] += 1
    return found


def assert_counted(site: Site, load: Callable[[], Count]) -> None:
    """The gateways counted exactly what the client did."""
    before = counted(site)
    asked = load()

    def since() -> Count:
        return counted(site) - before

    # A line is written just after its answer.
    whole = sum(asked.calls.values())
    assert wait_until(lambda: sum(since().calls.values()) >= whole, DEADLINE), since()
    found = since()
    assert found.calls == asked.calls
    assert sum(found.errors.values()) == sum(asked.errors.values())
    assert (found.input_tokens, found.output_tokens) == (asked.input_tokens, asked.output_tokens)


@contextlib.contextmanager
def forwarded(site: Site, host: str, port: int) -> Iterator[str]:
    """The address of a gateway that listens on loopback, through SSH."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        here = probe.getsockname()[1]
    forward = f"127.0.0.1:{here}:127.0.0.1:{port}"
    process = subprocess.Popen(["ssh", "-F", site.lab.ssh_config, "-NL", forward, f"root@{host}"])
    try:
        assert wait_until(lambda: _listens(here), DEADLINE)
        yield f"http://127.0.0.1:{here}/v1"
    finally:
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def _messages(words: str) -> list[Any]:
    return [{"role": "user", "content": words}]


def _plain(client: openai.OpenAI, model: str) -> tuple[int, int]:
    answer = client.chat.completions.create(model=model, messages=_messages("Say hello."))
    assert answer.choices[0].message.content and answer.usage
    return answer.usage.prompt_tokens, answer.usage.completion_tokens


def _streamed(client: openai.OpenAI, model: str) -> tuple[int, int]:
    stream = client.chat.completions.create(
        model=model,
        messages=_messages("Count to ten, please."),
        stream=True,
        stream_options={"include_usage": True},
    )
    (said,) = [chunk.usage for chunk in stream if chunk.usage]
    return said.prompt_tokens, said.completion_tokens


def _vector(client: openai.OpenAI, model: str) -> tuple[int, int]:
    answer = client.embeddings.create(model=model, input="Some words.", encoding_format="float")
    assert answer.data
    return answer.usage.prompt_tokens, 0
