"""Requests as clients send them: what reaches an engine, who is blamed, what leaves the house."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llmrack.verify.probes import RED_PNG, WEATHER_TOOL
from tests.lab.requests_front import (
    CONTEXT,
    EYES,
    HELLO,
    LEVELLED,
    OURS,
    SECOND,
    THINKER,
    VECTORS,
    World,
    refused,
    requests_front,
    served,
)

LONG = [{"role": "user", "content": "word " * (CONTEXT + 500)}]
CALL = {"id": "call_1", "type": "function", "function": {"name": "now", "arguments": ""}}
AFTER_CALL = [
    {"role": "user", "content": "Now?"},
    {"role": "assistant", "content": "", "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "call_1", "content": "12:00"},
]
NOW = {"type": "function", "function": {"name": "now", "parameters": {"type": "object"}}}


@pytest.fixture(scope="module")
def world(gateway_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with requests_front(gateway_python, tmp_path_factory.mktemp("requests")) as found:
        yield found


@pytest.fixture(autouse=True)
def _blames_nobody(world: World) -> Iterator[None]:
    """Whatever these requests are, nobody is put aside for one of them."""
    before = world.aside()
    yield
    assert world.aside() == before


def looks(url: str = RED_PNG) -> list[dict[str, Any]]:
    parts = [{"type": "text", "text": "What?"}, {"type": "image_url", "image_url": {"url": url}}]
    return [{"role": "user", "content": parts}]


# Cases after public reports: what reaches our own engine.


def test_stop_as_text(world: World) -> None:
    answer = world.chat(OURS, stop="\n")
    assert served(answer) == "house"
    assert world.sent(answer)["options"]["stop"] == ["\n"]


@pytest.mark.parametrize(
    "wrong",
    [{"temperature": "hot"}, {"top_p": [1]}, {"seed": "x"}, {"max_tokens": {}}, {"stop": 5}],
    ids=str,
)
def test_option_of_a_wrong_type(world: World, wrong: dict[str, Any]) -> None:
    before = world.left()
    assert f"{next(iter(wrong))} must be" in refused(world.chat(OURS, **wrong))
    assert world.left() == before


@pytest.mark.parametrize("stream", [True, False])
def test_effort_where_nothing_thinks(world: World, stream: bool) -> None:
    answer = world.chat(OURS, reasoning_effort="medium", stream=stream)
    assert "think" not in world.sent(answer)
    assert answer.headers["x-llmrack-left-out"] == "reasoning_effort"


def test_effort_xhigh(world: World) -> None:
    assert world.sent(world.chat(THINKER, reasoning_effort="xhigh"))["think"] is True
    assert world.sent(world.chat(LEVELLED, reasoning_effort="xhigh"))["think"] == "high"


def test_effort_none_gpt_oss(world: World) -> None:
    assert world.sent(world.chat(LEVELLED, reasoning_effort="none"))["think"] == "low"
    assert world.sent(world.chat(THINKER, reasoning_effort="none"))["think"] is False


def test_effort_as_object(world: World) -> None:
    answer = world.chat(LEVELLED, reasoning_effort={"effort": "high", "summary": "auto"})
    assert world.sent(answer)["think"] == "high"


def test_effort_of_the_declaration_where_the_client_does_not_say(world: World) -> None:
    assert world.sent(world.chat(LEVELLED))["think"] == "medium"
    assert "think" not in world.sent(world.chat(THINKER))


def test_effort_that_is_none_is_named(world: World) -> None:
    assert "must be one of none, minimal" in refused(world.chat(THINKER, reasoning_effort="much"))


def test_messages_thinking_adaptive(world: World) -> None:
    more = {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}
    assert "think" not in world.sent(world.messages(OURS, **more))
    assert world.sent(world.messages(LEVELLED, **more))["think"] == "high"


def test_responses_reasoning(world: World) -> None:
    body: dict[str, Any] = {
        "reasoning": {"effort": "high", "summary": "auto"},
        "input": [
            {
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": "Read."}],
            }
        ],
        "store": False,
    }
    assert "think" not in world.sent(world.post("/v1/responses", model=OURS, **body))
    assert world.sent(world.post("/v1/responses", model=LEVELLED, **body))["think"] == "high"


@pytest.mark.parametrize("arguments", ["", " ", None, {}])
def test_empty_tool_arguments(world: World, arguments: Any) -> None:
    call = {**CALL, "function": {"name": "now", "arguments": arguments}}
    messages = [AFTER_CALL[0], {**AFTER_CALL[1], "tool_calls": [call]}, AFTER_CALL[2]]
    answer = world.chat(OURS, messages=messages, tools=[NOW])
    assert world.sent(answer)["messages"][1]["tool_calls"][0]["function"]["arguments"] == {}


def test_tool_arguments_that_are_no_object_are_named(world: World) -> None:
    call = {**CALL, "function": {"name": "now", "arguments": "{"}}
    messages = [AFTER_CALL[0], {**AFTER_CALL[1], "tool_calls": [call]}, AFTER_CALL[2]]
    said = refused(world.chat(OURS, messages=messages, tools=[NOW]))
    assert said.startswith("messages[1].tool_calls[0].function.arguments is no JSON object")


@pytest.mark.parametrize(
    "url",
    ["https://openai.lab/cat.png", "http://127.0.0.1/x.png", "file:///etc/passwd", "cat.png"],
)
def test_image_by_address(world: World, url: str) -> None:
    assert "send the image itself" in refused(world.chat(EYES, messages=looks(url)))


@pytest.mark.parametrize(
    "url", ["http://192.168.1.1/x", "http://[::1]/x", "http://router/x", "http://nas.lan/x"]
)
def test_no_provider_is_sent_an_address_of_a_network_of_its_own(world: World, url: str) -> None:
    assert "send the image itself" in refused(world.chat("paid-eyes", messages=looks(url)))


def test_image_for_a_model_with_eyes(world: World) -> None:
    answer = world.chat(EYES, messages=looks())
    assert world.sent(answer)["messages"][0]["images"] == [RED_PNG.partition(",")[2]]


def test_image_for_a_model_without_eyes(world: World) -> None:
    before = world.left()
    said = refused(world.chat(OURS, messages=looks()))
    assert said == f"{OURS} cannot see images; ask one that can: {EYES}, paid-eyes"
    assert world.left() == before


def test_image_for_a_model_without_eyes_goes_on_where_that_is_declared(world: World) -> None:
    answer = world.chat("blind", messages=looks())
    assert (served(answer), answer.headers["x-litellm-model-id"]) == ("outside", "eyes/paid-eyes")


@pytest.mark.parametrize("dialect", ["messages", "responses"])
def test_image_in_another_dialect_is_seen_as_well(world: World, dialect: str) -> None:
    data = RED_PNG.partition(",")[2]
    if dialect == "messages":
        source = {"type": "base64", "media_type": "image/png", "data": data}
        content = [{"type": "image", "source": source}]
        answer = world.messages(OURS, messages=[{"role": "user", "content": content}])
        assert answer.json()["type"] == "error"
    else:
        part = {"type": "input_image", "image_url": RED_PNG}
        asked = [{"role": "user", "content": [part]}]
        answer = world.post("/v1/responses", model=OURS, input=asked)
    assert answer.status_code == 400
    assert "cannot see images" in answer.json()["error"]["message"]


def test_embedding_dimensions(world: World) -> None:
    answer = world.post("/v1/embeddings", model=VECTORS, input="a", dimensions=256)
    assert len(answer.json()["data"][0]["embedding"]) == 256


def test_embeddings_of_many_inputs_in_both_encodings(world: World) -> None:
    texts = [f"text {number}" for number in range(40)]
    plain = world.post("/v1/embeddings", model=VECTORS, input=texts)
    packed = world.post("/v1/embeddings", model=VECTORS, input=texts, encoding_format="base64")
    assert [len(each["embedding"]) for each in plain.json()["data"]] == [768] * 40
    first = packed.json()["data"][0]["embedding"]
    assert len(base64.b64decode(first)) == 4 * 768


def test_responses_at_a_server_without_it(world: World) -> None:
    answer = world.post("/v1/responses", model="paid", input="Read.", store=False)
    assert served(answer) == "outside"
    assert answer.json()["output"][0]["content"][0]["text"].startswith("[openai m]")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/audio/speech", {"input": "hi", "voice": "alloy"}),
        ("/v1/rerank", {"query": "a", "documents": ["a", "b"]}),
        ("/v1/images/generations", {"prompt": "a cat"}),
        ("/v1/embeddings", {"input": "a"}),
    ],
)
def test_audio_at_a_chat_model(world: World, path: str, body: dict[str, Any]) -> None:
    for model in (OURS, "paid"):
        assert f"{model} is for chat, not for" in refused(world.post(path, model=model, **body))


def test_client_reloads_the_model(world: World) -> None:
    engine = {"num_ctx": 512, "keep_alive": 0, "options": {"num_gpu": 0}, "extra_body": {"x": 1}}
    answer = world.chat(OURS, **engine)
    sent = world.sent(answer)
    assert "keep_alive" not in sent
    assert sent["options"] == {}
    assert "x" not in sent
    assert set(answer.headers["x-llmrack-left-out"].split(", ")) == {
        "num_ctx",
        "keep_alive",
        "options",
    }


def test_client_may_set_of_the_engine_what_is_declared(world: World) -> None:
    answer = world.chat(SECOND, num_ctx=512, keep_alive="1h", num_gpu=0)
    sent = world.sent(answer)
    assert (sent["keep_alive"], sent["options"]["num_ctx"]) == ("1h", 512)
    assert "num_gpu" not in sent["options"]


def test_longer_than_the_context(world: World) -> None:
    before = world.left()
    assert str(CONTEXT) in refused(world.chat(OURS, messages=LONG))
    assert world.left() == before


@pytest.mark.parametrize("stream", [True, False])
def test_longer_than_the_context_takes_the_chain_for_that(world: World, stream: bool) -> None:
    answer = world.chat("roomy", messages=LONG, stream=stream)
    assert (served(answer), answer.headers["x-litellm-model-id"]) == ("outside", "paid/paid")


# What else is said.


def test_parameters_reach_ollama_by_its_own_names(world: World) -> None:
    answer = world.chat(
        OURS,
        temperature=0.5,
        top_p=0.9,
        top_k=7,
        min_p=0.1,
        seed=3,
        presence_penalty=0.3,
        frequency_penalty=0.4,
        max_completion_tokens=9,
        response_format={"type": "json_object"},
    )
    sent = world.sent(answer)
    assert sent["options"] == {
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 7,
        "min_p": 0.1,
        "seed": 3,
        "presence_penalty": 0.3,
        "frequency_penalty": 0.4,
        "num_predict": 9,
    }
    assert (sent["format"], sent["truncate"]) == ("json", False)


def test_parameters_reach_other_servers_as_they_are(world: World) -> None:
    asked = {"seed": 3, "logit_bias": {"5": 1}, "top_logprobs": 2, "logprobs": True, "top_k": 7}
    assert served(world.chat("fast", **asked)) == "outside"
    assert asked.items() <= world.passed_on("vllm").items()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"n": 2}, "n must be 1"),
        ({"logprobs": True}, "logprobs cannot be had"),
        ({"logit_bias": {"5": 1}}, "logit_bias is nothing that Ollama knows"),
        ({"tools": [WEATHER_TOOL], "tool_choice": "required"}, "tool_choice must be auto or none"),
        ({"response_format": {"type": "grammar"}}, "response_format.type must be"),
        ({"functions": [{"name": "now"}]}, "functions is the older form"),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "input_audio"),
    ],
    ids=str,
)
def test_what_ollama_cannot_do_is_refused_by_name(
    world: World, asked: dict[str, Any], said: str
) -> None:
    assert said in refused(world.chat(OURS, **asked))


def test_no_tool_may_be_called_where_the_client_says_so(world: World) -> None:
    answer = world.chat(OURS, tools=[WEATHER_TOOL], tool_choice="none")
    assert "tools" not in world.sent(answer)


def test_what_no_answer_depends_on_is_left_out_and_named(world: World) -> None:
    answer = world.chat(OURS, user="ada", store=True, parallel_tool_calls=False)
    assert set(answer.headers["x-llmrack-left-out"].split(", ")) == {
        "user",
        "store",
        "parallel_tool_calls",
    }


def test_defaults_bounds_and_what_is_dropped_are_as_declared(world: World) -> None:
    options = world.sent(world.chat(SECOND))["options"]
    declared = {"num_batch": 64, "stop": ["END"]}
    assert options == {"temperature": 0.25, "num_predict": 40, **declared}
    answer = world.chat(SECOND, temperature=1, max_tokens=500, seed=3, tool_choice="required")
    assert world.sent(answer)["options"] == {"temperature": 1, "num_predict": 50, **declared}
    assert answer.headers["x-llmrack-left-out"] == "tool_choice, seed"


def test_thinking_at_other_servers(world: World) -> None:
    assert served(world.chat("fast", reasoning_effort="xhigh")) == "outside"
    assert world.passed_on("vllm")["reasoning_effort"] == "high"
    assert served(world.chat("switched", reasoning_effort="none")) == "outside"
    sent = world.passed_on("vllm")
    assert sent["chat_template_kwargs"] == {"preserve_thinking": True, "enable_thinking": False}
    assert sent["cache_salt"] == "s"
    assert served(world.chat("any/m", reasoning_effort="xhigh")) == "outside"
    assert world.passed_on("paid")["reasoning_effort"] == "xhigh"
    assert served(world.chat("paid", reasoning_effort="high")) == "outside"
    assert "reasoning_effort" not in world.passed_on("paid")


@pytest.mark.parametrize("stream", [True, False])
def test_thinking_comes_back_in_each_dialect(world: World, stream: bool) -> None:
    chat = world.chat(THINKER, reasoning_effort="high", stream=stream)
    assert "reasoning_content" in chat.text
    more = {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 2048}
    messages = world.messages(THINKER, **more, stream=stream)
    assert '"thinking' in messages.text
    asked = {"model": THINKER, "input": "Read.", "reasoning": {"effort": "high"}}
    responses = world.post("/v1/responses", **asked, stream=stream)
    assert '"type":"reasoning"' in responses.text.replace(" ", "")


def test_a_conversation_with_thoughts_is_taken_back(world: World) -> None:
    thought = {"type": "thinking", "thinking": "Hm.", "signature": "s"}
    said = {"role": "assistant", "content": [thought, {"type": "text", "text": "42."}]}
    conversation = [*HELLO, said, {"role": "user", "content": "Sure?"}]
    assert world.messages(THINKER, messages=conversation).status_code == 200
    assert world.messages("paid", messages=conversation).status_code == 200
    assert "thinking_blocks" not in json.dumps(world.passed_on("paid"))


def test_a_client_replaces_no_header_and_no_address(world: World) -> None:
    answer = world.chat("paid", extra_headers={"X-Stolen": "1"}, extra_query={"a": "b"})
    assert served(answer) == "outside"
    assert "X-Stolen" not in world.others["paid"].asked()[-1]["headers"]


def test_a_model_that_repeats_itself_without_end_blames_nobody(world: World) -> None:
    found = world.front.ask("parrot", stream=True)
    assert "broke off before its answer was whole" in found.error


# Refusals of an upstream.


def test_a_refusal_of_an_upstream_goes_along_no_chain(world: World) -> None:
    before = len(world.others["paid"].asked())
    said = refused(world.chat("strict", temperature=3))
    assert said == "strict refuses this: 'temperature' must be at most 2"
    assert len(world.others["paid"].asked()) == before


def test_a_refusal_comes_in_anthropics_form_at_anthropics_path(world: World) -> None:
    for answer in (world.messages("strict", temperature=3), world.messages(OURS, temperature="x")):
        assert answer.status_code == 400
        assert answer.json()["type"] == "error"
        assert answer.json()["error"]["type"] == "invalid_request_error"


def test_the_log_tells_a_refusal_from_a_failure(world: World) -> None:
    refused(world.chat("strict", temperature=3))
    log = Path(world.front.process.folder / "requests.jsonl")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    (line,) = [each for each in lines if each["model"] == "strict"][-1:]
    assert (line["status"], line["error"]) == (400, "request")
    assert line["attempts"][0]["error"] == "request"
