"""Every dialect at every kind of provider: docs/agents.md has the table of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.lab.dialects import CITY, DIALECTS, MARK, Dialect
from tests.lab.front import Front, breakable, provider
from tests.lab.gateway_process import KEY
from tests.lab.ollama_boxes import host_of, ollama_boxes

CHAT, EMBEDDING, THINKER = "llama3.1:latest", "nomic-embed-text:latest", "qwen3:latest"
REMOTE = ("ollama-remote", "ollama-cloud", "vllm", "openai-compatible")
KINDS = ("ollama", *REMOTE)
EMBEDS = [kind for kind in KINDS if kind != "ollama-cloud"]
# By dialect and kind of provider: what docs/agents.md says of it.
TABLE = {
    **{dialect: dict.fromkeys(KINDS, "text, tools") for dialect in DIALECTS},
    "completions": dict.fromkeys(KINDS, "text"),
    "embeddings": {kind: "vectors" if kind in EMBEDS else "no such models" for kind in KINDS},
}
CELLS = [(dialect, kind) for dialect in DIALECTS for kind in KINDS]
WITH_TOOLS = [(dialect, kind) for dialect, kind in CELLS if "tools" in TABLE[dialect][kind]]
streamed = pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])


@pytest.fixture(scope="module")
def front(gateway_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """A gateway before one of each kind; models are called after it."""
    folder = tmp_path_factory.mktemp("dialects")
    with contextlib.ExitStack() as opened:
        (folder / "boxes").mkdir()
        boxes = opened.enter_context(
            ollama_boxes(folder / "boxes", (CHAT, EMBEDDING, THINKER), ("box1",))
        )
        servers = {kind: opened.enter_context(breakable(kind)) for kind in REMOTE}
        providers: dict[str, Any] = {"ollama": {"kind": "ollama"}}
        providers |= {kind: provider(kind, at) for kind, at in servers.items()}
        models: dict[str, Any] = {}
        for kind in KINDS:
            chat, embedding = (CHAT, EMBEDDING) if kind == "ollama" else ("m", "embed")
            can = ["chat", "tools"]
            models[kind] = {"provider": kind, "model": chat, "capabilities": can}
            if kind in EMBEDS:
                name, can = f"{kind}-embedding", ["embedding"]
                models[name] = {"provider": kind, "model": embedding, "capabilities": can}
        can = ["chat", "tools", "thinking"]
        models["thinker"] = {"provider": "ollama", "model": THINKER, "capabilities": can}
        (folder / "gateway").mkdir()
        hosts = tuple(host_of(name, box) for name, box in boxes.items())
        stack = {"providers": providers, "models": models}
        found = opened.enter_context(Front(gateway_python, folder / "gateway", stack, hosts))
        yield found
        print(found.process.log[-20_000:])


@pytest.fixture
def client(front: Front, request: pytest.FixtureRequest) -> Dialect:
    return DIALECTS[request.param](front.process.url)


@streamed
@pytest.mark.parametrize(("client", "kind"), CELLS, indirect=["client"])
def test_text(client: Dialect, kind: str, stream: bool) -> None:
    answer = client.ask(kind, client.prompt("Say hello."), stream)
    assert answer.text.startswith("[")
    assert not answer.calls
    assert answer.reason == client.ended
    assert min(answer.tokens) > 0


@streamed
@pytest.mark.parametrize(("client", "kind"), WITH_TOOLS, indirect=["client"])
def test_a_tool_is_called_and_its_result_taken(client: Dialect, kind: str, stream: bool) -> None:
    said = client.prompt(MARK)
    called = client.ask(kind, said, stream, **client.tools())
    assert [call[1:] for call in called.calls] == [("get_weather", CITY)]
    assert called.reason == client.ended_with_call
    said += client.result(called)
    answer = client.ask(kind, said, stream, **client.tools())
    assert answer.text.startswith("[")
    assert not answer.calls
    # A conversation goes on.
    said += [*answer.raw, *client.prompt(MARK)]
    assert client.ask(kind, said, stream, **client.tools()).calls[0][1:] == ("get_weather", CITY)


@streamed
@pytest.mark.parametrize("client", list(DIALECTS)[:3], indirect=True)
def test_thoughts_are_told_apart_and_taken_back(client: Dialect, stream: bool) -> None:
    said = client.prompt(MARK)
    called = client.ask("thinker", said, stream, **client.thinking(), **client.tools())
    assert called.thoughts.startswith("Thinking")
    assert [call[1:] for call in called.calls] == [("get_weather", CITY)]
    said += client.result(called)
    answer = client.ask("thinker", said, stream, **client.thinking(), **client.tools())
    assert answer.thoughts.startswith("Thinking")
    assert answer.text.startswith("[")


@pytest.mark.parametrize("kind", EMBEDS)
def test_embeddings(front: Front, kind: str) -> None:
    client = openai.OpenAI(base_url=f"{front.process.url}/v1", api_key=KEY)
    answer = client.embeddings.create(model=f"{kind}-embedding", input=["one", "two"])
    first, second = (each.embedding for each in answer.data)
    assert len(first) == len(second) > 1
    assert first != second
