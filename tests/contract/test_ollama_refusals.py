"""Contract of requests that are refused; holds for Ollama and the stand-in."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx
import pytest

from tests.contract.ollama_process import HELLO, OllamaProcess, error_of

NO_EMBEDDINGS = "This server does not support embeddings. Start it with `--embeddings`"
CUT_OFF = base64.b64encode(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR").decode()


def chat(ollama: OllamaProcess, **body: Any) -> httpx.Response:
    return ollama.post("/api/chat", **{"model": "llama3.1", "messages": HELLO, **body})


def v1_error(response: httpx.Response) -> tuple[int, str, str]:
    error = response.json()["error"]
    return response.status_code, error["type"], error["message"]


def runner_error(response: httpx.Response) -> tuple[int, str]:
    """Status and message of an error that llama-server has made: its body, as a text."""
    error = json.loads(response.json()["error"])["error"]
    assert (error["code"], error["type"]) == (response.status_code, "invalid_request_error")
    return response.status_code, error["message"]


@pytest.mark.parametrize(
    ("option", "value", "kind"),
    [
        ("stop", "\n", "array"),
        ("stop", [1], "an array of strings"),
        ("temperature", "hot", "float32"),
        ("temperature", True, "float32"),
        ("num_predict", "5", "integer"),
        ("num_ctx", [4096], "integer"),
        ("use_mmap", 1, "boolean"),
    ],
)
@pytest.mark.parametrize("path", ["/api/chat", "/api/generate", "/api/embed"])
def test_option_of_a_wrong_type_is_500(
    ollama: OllamaProcess, path: str, option: str, value: Any, kind: str
) -> None:
    body = {"messages": HELLO, "prompt": "hello", "input": "hello"}
    response = ollama.post(path, model="llama3.1", options={option: value}, **body)
    of = "" if kind.startswith("an ") else "type "
    message = f'option "{option}" must be of {of}{kind}'
    assert error_of(response) == (500, message)


def test_unknown_option_is_ignored(ollama: OllamaProcess) -> None:
    assert chat(ollama, options={"warmth": "high", "num_predict": 1}).status_code == 200


def test_option_that_is_null_is_ignored(ollama: OllamaProcess) -> None:
    assert chat(ollama, options={"stop": None, "num_predict": 1}).status_code == 200


@pytest.mark.parametrize(
    ("field", "value", "said", "kind"),
    [
        ("temperature", "hot", "string", "float64"),
        ("max_tokens", "5", "string", "int"),
        ("max_tokens", 1.5, "number 1.5", "int"),
        ("stream", "yes", "string", "bool"),
        ("seed", True, "bool", "int"),
        ("messages", "hello", "string", "[]openai.Message"),
    ],
)
def test_field_of_a_wrong_type_is_400_under_v1(
    ollama: OllamaProcess, field: str, value: Any, said: str, kind: str
) -> None:
    body = {"model": "llama3.1", "messages": HELLO, field: value}
    message = (
        f"json: cannot unmarshal {said} into Go struct field ChatCompletionRequest.{field} "
        f"of type {kind}"
    )
    response = ollama.post("/v1/chat/completions", **body)
    assert v1_error(response) == (400, "invalid_request_error", message)


@pytest.mark.parametrize(
    ("field", "value", "said", "kind"),
    [
        ("model", 5, "number", "string"),
        ("messages", "hello", "string", "[]api.Message"),
        ("options", "hot", "string", "map[string]interface {}"),
        ("truncate", "no", "string", "bool"),
    ],
)
def test_field_of_a_wrong_type_is_400(
    ollama: OllamaProcess, field: str, value: Any, said: str, kind: str
) -> None:
    message = (
        f"json: cannot unmarshal {said} into Go struct field ChatRequest.{field} of type {kind}"
    )
    assert error_of(chat(ollama, **{field: value})) == (400, message)


def test_content_that_is_no_text_is_400(ollama: OllamaProcess) -> None:
    message = (
        "json: cannot unmarshal number into Go struct field ChatRequest.messages.content "
        "of type string"
    )
    messages = [{"role": "user", "content": 5}]
    assert error_of(chat(ollama, messages=messages)) == (400, message)


def test_unknown_format_is_500(ollama: OllamaProcess) -> None:
    message = r"""invalid format: "\"xml\""; expected "json" or a valid JSON Schema object"""
    assert error_of(chat(ollama, format="xml", stream=False)) == (500, message)


@pytest.mark.parametrize(
    ("schema", "part"),
    [
        ({"type": "nonsense"}, '{"type":"nonsense"}'),
        ({"type": "object", "properties": {"x": {"type": "float"}}}, '{"type":"float"}'),
    ],
)
def test_schema_of_an_unknown_type_is_400(
    ollama: OllamaProcess, schema: dict[str, Any], part: str
) -> None:
    reason = f"JSON schema conversion failed:\nUnrecognized schema: {part}"
    message = f"""Field 'json_schema': "json_schema": {reason}"""
    assert runner_error(chat(ollama, format=schema, stream=False)) == (400, message)


@pytest.mark.parametrize("alternatives", [-1, 21])
def test_too_many_logprobs_are_400(ollama: OllamaProcess, alternatives: int) -> None:
    response = chat(ollama, logprobs=True, top_logprobs=alternatives)
    assert error_of(response) == (400, "top_logprobs must be between 0 and 20")


@pytest.mark.parametrize("path", ["/api/chat", "/api/generate"])
@pytest.mark.parametrize("stream", [True, False])
def test_image_for_a_model_without_eyes_is_400(
    ollama: OllamaProcess, picture: str, path: str, stream: bool
) -> None:
    messages = [{"role": "user", "content": "What?", "images": [picture]}]
    response = ollama.post(
        path,
        model="llama3.1",
        messages=messages,
        prompt="What?",
        images=[picture],
        stream=stream,
    )
    message = "Multimodal data provided, but model does not support multimodal requests."
    assert runner_error(response) == (400, message)


def test_image_for_a_model_without_eyes_is_400_under_v1(
    ollama: OllamaProcess, picture: str
) -> None:
    part = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{picture}"}}
    messages = [{"role": "user", "content": [part]}]
    response = ollama.post("/v1/chat/completions", model="llama3.1", messages=messages)
    status, kind, message = v1_error(response)
    assert (status, kind) == (400, "invalid_request_error")
    assert "does not support multimodal requests" in json.loads(message)["error"]["message"]


def test_image_that_is_broken_is_400(ollama: OllamaProcess) -> None:
    messages = [{"role": "user", "content": "What is it?", "images": [CUT_OFF]}]
    response = chat(ollama, model="llava", messages=messages)
    assert runner_error(response) == (400, "Failed to load image or audio file")


def test_image_that_is_not_base64_is_400(ollama: OllamaProcess) -> None:
    messages = [{"role": "user", "content": "What is it?", "images": ["no base64!"]}]
    response = chat(ollama, model="llava", messages=messages)
    assert error_of(response) == (400, "illegal base64 data at input byte 2")


def test_embed_with_a_chat_model_is_501(ollama: OllamaProcess) -> None:
    response = ollama.post("/api/embed", model="llama3.1", input="a")
    assert error_of(response) == (501, NO_EMBEDDINGS)


def test_embeddings_with_a_chat_model_are_501_under_v1(ollama: OllamaProcess) -> None:
    response = ollama.post("/v1/embeddings", model="llama3.1", input="a")
    assert v1_error(response) == (501, "api_error", NO_EMBEDDINGS)


def test_older_embeddings_with_a_chat_model_are_500(ollama: OllamaProcess) -> None:
    response = ollama.post("/api/embeddings", model="llama3.1", prompt="a")
    assert error_of(response) == (500, NO_EMBEDDINGS)


@pytest.mark.parametrize("name", ["glm-4.6:cloud", "gpt-oss:20b-cloud"])
@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("/api/chat", "remote model is unavailable"),
        ("/api/generate", "remote model is unavailable"),
        ("/api/embed", "remote model is unavailable"),
        ("/api/show", "remote model details are unavailable"),
        ("/v1/chat/completions", "remote model is unavailable"),
        ("/v1/embeddings", "remote model is unavailable"),
        ("/v1/messages", "remote model is unavailable"),
        ("/v1/responses", "remote model is unavailable"),
    ],
)
def test_model_of_the_cloud_is_403_where_the_cloud_is_off(
    ollama: OllamaProcess, name: str, path: str, what: str
) -> None:
    response = ollama.post(path, model=name, messages=HELLO, input="a", prompt="a")
    # At the paths under /v1, too, in Ollama's own form.
    assert error_of(response) == (403, f"ollama cloud is disabled: {what}")


def test_model_of_the_cloud_has_no_entry_where_the_cloud_is_off(ollama: OllamaProcess) -> None:
    response = ollama.client.get("/v1/models/glm-4.6:cloud")
    message = "ollama cloud is disabled: remote model details are unavailable"
    assert error_of(response) == (403, message)


def test_transcription_by_the_cloud_is_403_where_the_cloud_is_off(ollama: OllamaProcess) -> None:
    response = ollama.client.post(
        "/v1/audio/transcriptions", data={"model": "x:cloud"}, files={"file": ("a.wav", b"x")}
    )
    message = "ollama cloud is disabled: remote model is unavailable"
    assert v1_error(response) == (403, "api_error", message)


def test_prompt_over_the_context_is_400_where_it_must_not_be_shifted(
    ollama: OllamaProcess,
) -> None:
    messages = [{"role": "user", "content": "z " * 2000}]
    status, message = error_of(
        chat(ollama, messages=messages, options={"num_ctx": 512}, shift=False)
    )
    assert status == 400
    assert message.startswith("the prompt is longer than the context length currently available")


def test_name_that_ends_in_cloud_without_a_tag_is_a_local_one(ollama: OllamaProcess) -> None:
    response = chat(ollama, model="x-cloud")
    assert error_of(response) == (404, "model 'x-cloud' not found")


def test_name_may_say_that_it_is_local(ollama: OllamaProcess) -> None:
    assert chat(ollama, model="llama3.1:local", options={"num_predict": 1}).status_code == 200
