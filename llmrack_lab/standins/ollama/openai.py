"""Requests in OpenAI's form under ``/v1``, translated to the native one.

Field by field after Ollama's ``openai/openai.go`` and ``middleware/openai.go``; the answers are in
:mod:`.openai_answers`.
"""

from __future__ import annotations

import json

from . import binding
from .errors import ApiError
from .media import decode_image
from .thinking import think_of_effort
from .types import JsonObject, JsonValue

_IMAGE_PREFIXES = tuple(
    f"data:{kind};base64," for kind in ("", "image/jpeg", "image/jpg", "image/png", "image/webp")
)
_OPTIONS = {
    "max_tokens": "num_predict",
    **{
        name: name
        for name in ("temperature", "top_p", "seed", "frequency_penalty", "presence_penalty")
    },
}


def error_body(status: int, message: str) -> JsonObject:
    """An error in OpenAI's form."""
    kinds = {400: "invalid_request_error", 404: "not_found_error"}
    return {
        "error": {
            "message": message,
            "type": kinds.get(status, "api_error"),
            "param": None,
            "code": None,
        }
    }


def chat_request(body: JsonObject) -> JsonObject:
    """The body for ``/api/chat`` of a chat completion.

    Raises:
        ApiError: 400, something in it is not understood.
    """
    binding.bind(body, "ChatCompletionRequest", binding.OPENAI_CHAT)
    if not body.get("messages"):
        raise ApiError(400, "[] is too short - 'messages'")
    request: JsonObject = {
        "model": body.get("model", ""),
        "messages": [part for message in body["messages"] for part in _messages(message)],
        "options": _options(body),
        "stream": bool(body.get("stream")),
        "logprobs": bool(body.get("logprobs")),
        "top_logprobs": body.get("top_logprobs") or 0,
    }
    if stop := [text for text in _stops(body) if isinstance(text, str)]:
        request["options"]["stop"] = stop
    if body.get("tools"):
        request["tools"] = body["tools"]
    response_format = body.get("response_format") or {}
    if response_format.get("type") == "json_object":
        request["format"] = "json"
    elif response_format.get("type") == "json_schema":
        request["format"] = (response_format.get("json_schema") or {}).get("schema")
    reasoning = body.get("reasoning")
    effort = body.get("reasoning_effort") if reasoning is None else reasoning.get("effort")
    request["think"] = think_of_effort(effort or "")
    return request


def generate_request(body: JsonObject) -> JsonObject:
    """The body for ``/api/generate`` of a completion.

    Raises:
        ApiError: 400, something in it has a wrong type.
    """
    binding.bind(body, "CompletionRequest", binding.OPENAI_COMPLETION)
    stop = _stops(body)
    if not all(isinstance(text, str) for text in stop):
        raise ApiError(400, "invalid type for 'stop' field: float64")
    options = _options(body)
    return {
        "model": body.get("model", ""),
        "prompt": body.get("prompt") or "",
        "suffix": body.get("suffix") or "",
        "options": {**options, "stop": stop} if stop else options,
        "stream": bool(body.get("stream")),
    }


def embed_request(body: JsonObject) -> JsonObject:
    """The body for ``/api/embed`` of an embeddings request.

    Raises:
        ApiError: 400, no input, or an unknown ``encoding_format``.
    """
    binding.bind(body, "EmbedRequest", binding.OPENAI_EMBED)
    encoding = body.get("encoding_format") or "float"
    if encoding.lower() not in ("float", "base64"):
        raise ApiError(
            400,
            f"Invalid value for 'encoding_format' = {encoding}. "
            "Supported values: ['float', 'base64'].",
        )
    given = body.get("input")
    if given is None or given == []:
        raise ApiError(400, "invalid input")
    return {
        "model": body.get("model", ""),
        "input": [""] if given == "" else given,
        "dimensions": body.get("dimensions") or 0,
    }


def _options(body: JsonObject) -> JsonObject:
    options = {"temperature": 1.0, "top_p": 1.0}
    given = {
        ours: body[theirs] for theirs, ours in _OPTIONS.items() if body.get(theirs) is not None
    }
    return {**options, **given}


def _stops(body: JsonObject) -> list[JsonValue]:
    """Where the text ends; one text is as good as a list here, and anything else is ignored."""
    stop = body.get("stop")
    if isinstance(stop, str):
        return [stop]
    return stop if isinstance(stop, list) else []


def _messages(message: JsonObject) -> list[JsonObject]:
    role, content = str(message.get("role", "")), message.get("content")
    calls = [
        {"id": call.get("id"), "function": _native_function(call.get("function") or {})}
        for call in message.get("tool_calls") or []
    ]
    extra: JsonObject = {"tool_calls": calls} if calls else {}
    if isinstance(content, str):
        return [{"role": role, "content": content, **extra}]
    if isinstance(content, list):
        return [{"role": role, **_part(part)} for part in content]
    if calls:
        return [{"role": role, "content": "", **extra}]
    raise ApiError(400, f"invalid message content type: {'<nil>' if content is None else content}")


def _part(part: JsonValue) -> JsonObject:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "text" and isinstance(part.get("text"), str):
        return {"content": part["text"]}
    if kind == "image_url":
        url = part.get("image_url")
        url = url.get("url") if isinstance(url, dict) else url
        return {"content": "", "images": [image_of_url(str(url))]}
    raise ApiError(400, "invalid message format")


def image_of_url(url: str) -> str:
    """The image of a ``data:`` URL, in base64.

    Raises:
        ApiError: 400, another URL, or no base64.
    """
    if url.startswith(("http://", "https://")):
        raise ApiError(
            400, "image URLs are not currently supported, please use base64 encoded data instead"
        )
    for prefix in _IMAGE_PREFIXES:
        if url.startswith(prefix):
            image = url.removeprefix(prefix)
            try:
                decode_image(image)
            except ApiError:
                break
            return image
    raise ApiError(400, "invalid image input")


def _native_function(function: JsonObject) -> JsonObject:
    try:
        arguments = json.loads(function.get("arguments") or "")
    except ValueError:
        raise ApiError(400, "invalid tool call arguments") from None
    return {"name": function.get("name"), "arguments": arguments}
