"""The OpenAI form of the API under ``/v1``, translated to and from the native one.

Field by field after Ollama's ``openai/openai.go`` and ``middleware/openai.go``.
"""

from __future__ import annotations

import base64
import json
import struct
import time
import uuid
from collections.abc import Iterator
from datetime import datetime

from .errors import ApiError
from .names import ModelName
from .types import JsonObject, JsonValue

_IMAGE_PREFIXES = tuple(
    f"data:{kind};base64," for kind in ("", "image/jpeg", "image/jpg", "image/png", "image/webp")
)
_OPTIONS = {
    "max_tokens": "num_predict",
    "temperature": "temperature",
    "top_p": "top_p",
    "seed": "seed",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
    "stop": "stop",
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
    if not body.get("messages"):
        raise ApiError(400, "[] is too short - 'messages'")
    request: JsonObject = {
        "model": body.get("model", ""),
        "messages": [part for message in body["messages"] for part in _messages(message)],
        "options": _options(body),
        "stream": bool(body.get("stream")),
    }
    if body.get("tools"):
        request["tools"] = body["tools"]
    response_format = body.get("response_format") or {}
    if response_format.get("type") == "json_object":
        request["format"] = "json"
    elif response_format.get("type") == "json_schema":
        request["format"] = (response_format.get("json_schema") or {}).get("schema")
    effort = body.get("reasoning_effort") or (body.get("reasoning") or {}).get("effort")
    if effort:
        request["think"] = False if effort == "none" else effort
    return request


def generate_request(body: JsonObject) -> JsonObject:
    """The body for ``/api/generate`` of a completion."""
    return {
        "model": body.get("model", ""),
        "prompt": body.get("prompt", ""),
        "suffix": body.get("suffix", ""),
        "options": _options(body),
        "stream": bool(body.get("stream")),
    }


def embed_request(body: JsonObject) -> JsonObject:
    """The body for ``/api/embed`` of an embeddings request.

    Raises:
        ApiError: 400, no input, or an unknown ``encoding_format``.
    """
    encoding = body.get("encoding_format") or "float"
    if str(encoding).lower() not in ("float", "base64"):
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


def chat_completion(answer: JsonObject) -> JsonObject:
    """The answer to a chat completion that is not streamed."""
    message = _message(answer["message"])
    reason = "tool_calls" if "tool_calls" in message else answer.get("done_reason")
    choice = {"index": 0, "message": message, "finish_reason": reason}
    return {
        **_head("chatcmpl", "chat.completion", answer["model"]),
        "choices": [choice],
        "usage": _usage(answer),
    }


def completion(answer: JsonObject) -> JsonObject:
    """The answer to a completion that is not streamed."""
    choice = {"text": answer["response"], "index": 0, "finish_reason": answer.get("done_reason")}
    return {
        **_head("cmpl", "text_completion", answer["model"]),
        "choices": [choice],
        "usage": _usage(answer),
    }


def chat_events(chunks: Iterator[JsonObject], body: JsonObject) -> Iterator[str]:
    """The server-sent events of a streamed chat completion."""
    head = _head("chatcmpl", "chat.completion.chunk", body["model"])
    called = False
    for chunk in chunks:
        delta = _message(chunk["message"])
        called = called or "tool_calls" in delta
        reason = chunk.get("done_reason")
        choice = {
            "index": 0,
            "delta": delta,
            "finish_reason": "tool_calls" if reason and called else reason,
        }
        yield _event({**head, "choices": [choice]})
        yield from _end(head, chunk, body)


def completion_events(chunks: Iterator[JsonObject], body: JsonObject) -> Iterator[str]:
    """The server-sent events of a streamed completion."""
    head = _head("cmpl", "text_completion", body["model"])
    for chunk in chunks:
        reason = chunk.get("done_reason")
        choice = {"text": chunk["response"], "index": 0, "finish_reason": reason}
        yield _event({**head, "choices": [choice]})
        yield from _end(head, chunk, body)


def embedding_list(answer: JsonObject, body: JsonObject) -> JsonObject:
    """The answer to an embeddings request."""
    packed = str(body.get("encoding_format")).lower() == "base64"
    return {
        "object": "list",
        "data": [
            {
                "object": "embedding",
                "embedding": _packed(vector) if packed else vector,
                "index": index,
            }
            for index, vector in enumerate(answer["embeddings"])
        ],
        "model": body["model"],
        "usage": {
            "prompt_tokens": answer["prompt_eval_count"],
            "total_tokens": answer["prompt_eval_count"],
        },
    }


def model_list(answer: JsonObject) -> JsonObject:
    """The answer of ``/v1/models``, from that of ``/api/tags``."""
    models = [model_entry(each["name"], each["modified_at"]) for each in answer["models"]]
    # Ollama writes null for an empty list here.
    return {"object": "list", "data": models or None}


def model_entry(name: str, modified_at: str) -> JsonObject:
    """One model as ``/v1/models/<name>`` describes it."""
    created = int(datetime.fromisoformat(modified_at).timestamp())
    owner = ModelName.parse(name).namespace
    return {"id": name, "object": "model", "created": created, "owned_by": owner}


def _options(body: JsonObject) -> JsonObject:
    options = {"temperature": 1.0, "top_p": 1.0}
    given = {
        ours: body[theirs] for theirs, ours in _OPTIONS.items() if body.get(theirs) is not None
    }
    return {**options, **given}


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
        return {"content": "", "images": [_image(str(url))]}
    raise ApiError(400, "invalid message format")


def _image(url: str) -> str:
    if url.startswith(("http://", "https://")):
        raise ApiError(
            400, "image URLs are not currently supported, please use base64 encoded data instead"
        )
    for prefix in _IMAGE_PREFIXES:
        if url.startswith(prefix):
            return url.removeprefix(prefix)
    raise ApiError(400, "invalid image input")


def _native_function(function: JsonObject) -> JsonObject:
    try:
        arguments = json.loads(function.get("arguments") or "")
    except ValueError:
        raise ApiError(400, "invalid tool call arguments") from None
    return {"name": function.get("name"), "arguments": arguments}


def _message(message: JsonObject) -> JsonObject:
    converted: JsonObject = {"role": "assistant", "content": message["content"]}
    if message.get("tool_calls"):
        converted["tool_calls"] = [
            {
                "id": call["id"],
                "index": call["function"]["index"],
                "type": "function",
                "function": {
                    "name": call["function"]["name"],
                    "arguments": json.dumps(call["function"]["arguments"]),
                },
            }
            for call in message["tool_calls"]
        ]
    return converted


def _head(prefix: str, kind: str, model: str) -> JsonObject:
    return {
        "id": f"{prefix}-{uuid.uuid4().int % 1000}",
        "object": kind,
        "created": int(time.time()),
        "model": model,
        "system_fingerprint": "fp_ollama",
    }


def _usage(answer: JsonObject) -> JsonObject:
    prompt, generated = answer.get("prompt_eval_count", 0), answer.get("eval_count", 0)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": generated,
        "total_tokens": prompt + generated,
    }


def _end(head: JsonObject, chunk: JsonObject, body: JsonObject) -> Iterator[str]:
    if chunk["done"]:
        if (body.get("stream_options") or {}).get("include_usage"):
            yield _event({**head, "choices": [], "usage": _usage(chunk)})
        yield "data: [DONE]\n\n"


def _event(data: JsonObject) -> str:
    return f"data: {json.dumps(data)}\n\n"


def _packed(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
