"""Contract of chat, generate and embed; holds for Ollama and the stand-in."""

from __future__ import annotations

import json
import math
import time
from datetime import datetime
from typing import Any

import pytest

from tests import DEADLINE
from tests.contract.ollama_process import (
    HELLO,
    TOOL,
    OllamaProcess,
    Remote,
    StartOllama,
    error_of,
)

# The most likely tokens, so that a real model says the same each time.
SHORT = {"num_predict": 4, "temperature": 0}
COUNTS = (
    "total_duration",
    "load_duration",
    "prompt_eval_count",
    "prompt_eval_duration",
    "eval_count",
    "eval_duration",
)


def expires_in(entry: dict[str, Any]) -> float:
    return datetime.fromisoformat(entry["expires_at"]).timestamp() - time.time()


def test_chat_answers_with_counts(ollama: OllamaProcess) -> None:
    answer = ollama.answer("/api/chat", model="llama3.1", messages=HELLO, options=SHORT)
    assert answer["model"] == "llama3.1"
    assert answer["message"]["role"] == "assistant"
    assert answer["message"]["content"]
    assert answer["done"] is True
    assert all(isinstance(answer[name], int) and answer[name] > 0 for name in COUNTS)
    assert datetime.fromisoformat(answer["created_at"])


def test_chat_streams_by_default(ollama: OllamaProcess) -> None:
    *chunks, last = ollama.lines("/api/chat", model="llama3.1", messages=HELLO, options=SHORT)
    assert chunks
    assert all(chunk["done"] is False and "eval_count" not in chunk for chunk in chunks)
    assert all(chunk["message"]["role"] == "assistant" for chunk in [*chunks, last])
    assert last["done"] is True
    assert all(last[name] > 0 for name in COUNTS)


def test_generate_answers_with_counts(ollama: OllamaProcess) -> None:
    answer = ollama.answer("/api/generate", model="llama3.1", prompt="hello", options=SHORT)
    assert answer["response"]
    assert answer["done"] is True
    assert all(answer[name] > 0 for name in COUNTS)


def test_generate_streams_by_default(ollama: OllamaProcess) -> None:
    *chunks, last = ollama.lines("/api/generate", model="llama3.1", prompt="hello", options=SHORT)
    assert all(isinstance(chunk["response"], str) for chunk in chunks)
    assert last["done"] is True


def test_num_predict_limits_the_tokens(ollama: OllamaProcess) -> None:
    answer = ollama.answer("/api/chat", model="llama3.1", messages=HELLO, options=SHORT)
    assert (answer["eval_count"], answer["done_reason"]) == (4, "length")


def test_same_seed_gives_the_same_answer(ollama: OllamaProcess) -> None:
    options = {"seed": 7, "temperature": 0.9, "num_predict": 8}
    first, second = (
        ollama.answer("/api/chat", model="llama3.1", messages=HELLO, options=options)
        for _ in range(2)
    )
    assert first["message"] == second["message"]


@pytest.mark.parametrize(
    ("path", "body", "empty"),
    [
        ("/api/chat", {"messages": []}, {"message": {"role": "assistant", "content": ""}}),
        ("/api/generate", {"prompt": ""}, {"response": ""}),
    ],
)
def test_empty_request_loads_and_unloads(
    ollama: OllamaProcess, path: str, body: dict[str, Any], empty: dict[str, Any]
) -> None:
    loaded = ollama.post(path, model="llava", **body).json()
    assert (loaded["done"], loaded["done_reason"]) == (True, "load")
    assert empty.items() <= loaded.items()
    assert "llava:latest" in ollama.loaded()
    unloaded = ollama.post(path, model="llava", keep_alive=0, **body).json()
    assert (unloaded["done"], unloaded["done_reason"]) == (True, "unload")
    deadline = time.monotonic() + DEADLINE
    while "llava:latest" in ollama.loaded():
        assert time.monotonic() < deadline


def test_ps_describes_a_loaded_model(ollama: OllamaProcess) -> None:
    ollama.post("/api/generate", model="llama3.1", options={"num_ctx": 2048})
    entry = ollama.loaded()["llama3.1:latest"]
    tags = {model["name"]: model for model in ollama.get("/api/tags")["models"]}
    assert entry["digest"] == tags["llama3.1:latest"]["digest"]
    details = tags["llama3.1:latest"]["details"]
    assert entry["details"] == {
        key: details[key] for key in details if key not in ("context_length", "embedding_length")
    }
    assert entry["context_length"] == 2048
    assert 0 <= entry["size_vram"] <= entry["size"]
    assert 290 < expires_in(entry) < 301


def test_models_with_the_same_weights_are_loaded_once(ollama: OllamaProcess) -> None:
    ollama.post("/api/copy", source="llava", destination="llava:again")
    ollama.post("/api/generate", model="llava")
    ollama.post("/api/generate", model="llava:again")
    loaded = ollama.loaded()
    assert "llava:latest" in loaded
    assert "llava:again" not in loaded


@pytest.mark.parametrize(
    ("keep_alive", "least", "most"),
    [("10m", 595, 601), (120, 115, 121), (-1, 1e9, math.inf), ("-1s", 1e9, math.inf)],
)
def test_keep_alive_of_a_request_sets_the_expiry(
    ollama: OllamaProcess, keep_alive: str | int, least: float, most: float
) -> None:
    ollama.answer(
        "/api/chat", model="llama3.1", messages=HELLO, options=SHORT, keep_alive=keep_alive
    )
    deadline = time.monotonic() + DEADLINE
    while not least < expires_in(ollama.loaded()["llama3.1:latest"]) < most:
        assert time.monotonic() < deadline


def test_keep_alive_without_a_unit_is_400(ollama: OllamaProcess) -> None:
    response = ollama.post("/api/chat", model="llama3.1", messages=HELLO, keep_alive="24")
    assert error_of(response) == (400, 'time: missing unit in duration "24"')


def test_environment_sets_keep_alive_and_context(start_ollama: StartOllama, remote: Remote) -> None:
    server = start_ollama(OLLAMA_KEEP_ALIVE="3600", OLLAMA_CONTEXT_LENGTH="1024")
    server.answer("/api/pull", model=remote("llama3.1"), insecure=True)
    server.post("/api/generate", model=remote("llama3.1"))
    (entry,) = server.loaded().values()
    assert entry["context_length"] == 1024
    assert 3590 < expires_in(entry) < 3601


def test_chat_with_a_missing_model_is_404(ollama: OllamaProcess) -> None:
    response = ollama.post("/api/chat", model="nothing", messages=HELLO)
    assert error_of(response) == (404, "model 'nothing' not found")


def test_messages_that_are_no_list_are_400(ollama: OllamaProcess) -> None:
    assert ollama.post("/api/chat", model="llama3.1", messages="hello").status_code == 400


def test_chat_without_a_model_is_400(ollama: OllamaProcess) -> None:
    assert error_of(ollama.post("/api/chat", messages=HELLO)) == (400, "model is required")


@pytest.mark.parametrize("purpose", ["chat", "generate"])
def test_embedding_model_does_not_generate(ollama: OllamaProcess, purpose: str) -> None:
    response = ollama.post(f"/api/{purpose}", model="all-minilm", prompt="x", messages=HELLO)
    assert error_of(response) == (400, f'"all-minilm" does not support {purpose}')


def test_tools_need_a_model_that_supports_them(ollama: OllamaProcess) -> None:
    response = ollama.post("/api/chat", model="llava", messages=HELLO, tools=[TOOL])
    message = "registry.ollama.ai/library/llava:latest does not support tools"
    assert error_of(response) == (400, message)


def test_tool_results_are_accepted(ollama: OllamaProcess) -> None:
    call = {"function": {"name": "get_weather", "arguments": {"city": "Rome"}}}
    messages = [
        *HELLO,
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "sunny", "tool_name": "get_weather"},
    ]
    answer = ollama.answer(
        "/api/chat", model="llama3.1", messages=messages, tools=[TOOL], options=SHORT
    )
    assert answer["message"]["content"]


def test_images_are_accepted_by_a_vision_model(ollama: OllamaProcess, picture: str) -> None:
    messages = [{"role": "user", "content": "What is it?", "images": [picture]}]
    answer = ollama.answer("/api/chat", model="llava", messages=messages, options=SHORT)
    assert answer["message"]["content"]


def test_answer_in_a_json_schema_fits_it(ollama: OllamaProcess) -> None:
    schema = {
        "type": "object",
        "properties": {"safe": {"type": "boolean"}, "color": {"enum": ["red", "blue"]}},
        "required": ["safe", "color"],
    }
    answer = ollama.answer("/api/chat", model="llama3.1", messages=HELLO, format=schema)
    assert answer["done_reason"] == "stop"
    content = json.loads(answer["message"]["content"])
    assert isinstance(content["safe"], bool)
    assert content["color"] in ("red", "blue")


def test_embed_gives_unit_vectors_of_the_models_dimension(ollama: OllamaProcess) -> None:
    answer = ollama.answer("/api/embed", model="all-minilm", input=["one text", "another"])
    assert answer["model"] == "all-minilm"
    assert [len(vector) for vector in answer["embeddings"]] == [384, 384]
    assert answer["embeddings"][0] != answer["embeddings"][1]
    for vector in answer["embeddings"]:
        assert math.isclose(math.hypot(*vector), 1.0, abs_tol=1e-4)
    assert answer["prompt_eval_count"] > 0
    assert answer["total_duration"] > 0


def test_embed_takes_one_text(ollama: OllamaProcess) -> None:
    assert len(ollama.answer("/api/embed", model="all-minilm", input="a")["embeddings"]) == 1


def test_embed_of_nothing_is_empty(ollama: OllamaProcess) -> None:
    assert ollama.answer("/api/embed", model="all-minilm", input=[])["embeddings"] == []


def test_embed_repeats_itself(ollama: OllamaProcess) -> None:
    first, second = (
        ollama.answer("/api/embed", model="all-minilm", input="same")["embeddings"][0]
        for _ in range(2)
    )
    assert all(math.isclose(a, b, abs_tol=1e-5) for a, b in zip(first, second, strict=True))


def test_embed_shortens_vectors_to_dimensions(ollama: OllamaProcess) -> None:
    answer = ollama.answer("/api/embed", model="all-minilm", input="a", dimensions=32)
    (vector,) = answer["embeddings"]
    assert len(vector) == 32
    assert math.isclose(math.hypot(*vector), 1.0, abs_tol=1e-4)


def test_embed_truncates_long_texts_unless_told_not_to(ollama: OllamaProcess) -> None:
    text = "a " * 1000
    assert ollama.answer("/api/embed", model="all-minilm", input=text)["embeddings"]
    response = ollama.post("/api/embed", model="all-minilm", input=text, truncate=False)
    assert error_of(response) == (400, "the input length exceeds the context length")


def test_embed_of_a_number_is_400(ollama: OllamaProcess) -> None:
    response = ollama.post("/api/embed", model="all-minilm", input=5)
    assert error_of(response) == (400, "invalid input type")


def test_embed_with_a_missing_model_is_404(ollama: OllamaProcess) -> None:
    response = ollama.post("/api/embed", model="nothing", input="a")
    assert error_of(response) == (404, 'model "nothing" not found, try pulling it first')


@pytest.mark.parametrize("alternatives", [0, 3])
def test_logprobs_are_given_for_each_token(ollama: OllamaProcess, alternatives: int) -> None:
    answer = ollama.answer(
        "/api/chat",
        model="llama3.1",
        messages=HELLO,
        options=SHORT,
        logprobs=True,
        top_logprobs=alternatives,
    )
    entries = answer["logprobs"]
    assert "".join(entry["token"] for entry in entries) == answer["message"]["content"]
    for entry in entries:
        assert bytes(entry["bytes"]).decode() == entry["token"]
        assert entry["logprob"] <= 0
        assert len(entry.get("top_logprobs", [])) == alternatives


def test_streamed_logprobs_come_with_their_tokens(ollama: OllamaProcess) -> None:
    *chunks, last = ollama.lines(
        "/api/generate", model="llama3.1", prompt="hello", options=SHORT, logprobs=True
    )
    assert all(len(chunk["logprobs"]) == 1 for chunk in chunks)
    assert not last.get("logprobs")


def test_there_are_no_logprobs_unless_asked_for(ollama: OllamaProcess) -> None:
    answer = ollama.answer("/api/chat", model="llama3.1", messages=HELLO, options=SHORT)
    assert "logprobs" not in answer


def test_prompt_over_the_context_is_cut_in_silence(ollama: OllamaProcess) -> None:
    messages = [{"role": "user", "content": "z " * 2000}]
    options = {**SHORT, "num_ctx": 512}
    answer = ollama.answer("/api/chat", model="llama3.1", messages=messages, options=options)
    # num_keep and the first token stay, and half of the rest.
    assert answer["prompt_eval_count"] == 259
    assert answer["message"]["content"]


def test_older_messages_that_do_not_fit_are_dropped_first(ollama: OllamaProcess) -> None:
    old = [{"role": "user", "content": "z " * 600}, {"role": "assistant", "content": "z"}]
    options = {**SHORT, "num_ctx": 512}
    body = {"model": "llama3.1", "options": options}
    alone = ollama.answer("/api/chat", messages=HELLO, **body)
    both = ollama.answer("/api/chat", messages=[*old, *HELLO], **body)
    assert both["prompt_eval_count"] < alone["prompt_eval_count"] + 40


@pytest.mark.parametrize("path", ["/api/chat", "/api/generate"])
@pytest.mark.parametrize("stream", [True, False])
def test_prompt_over_the_context_is_400_where_it_must_not_be_cut(
    ollama: OllamaProcess, path: str, stream: bool
) -> None:
    text = "z " * 2000
    response = ollama.post(
        path,
        model="llama3.1",
        messages=[{"role": "user", "content": text}],
        prompt=text,
        options={"num_ctx": 512},
        truncate=False,
        stream=stream,
    )
    status, message = error_of(response)
    error = json.loads(message)["error"]
    assert (status, error["code"], error["type"]) == (400, 400, "exceed_context_size_error")
    assert error["n_ctx"] == 512
    assert error["n_prompt_tokens"] > 512
    assert error["message"] == (
        f"request ({error['n_prompt_tokens']} tokens) exceeds the available context size "
        "(512 tokens), try increasing it"
    )


def test_older_embeddings_give_one_vector(ollama: OllamaProcess) -> None:
    answer = ollama.answer("/api/embeddings", model="all-minilm", prompt="a")
    assert len(answer["embedding"]) == 384
