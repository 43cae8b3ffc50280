"""``POST /v1/messages``, Anthropic's form, translated to and from the native one.

After Ollama's ``anthropic/anthropic.go`` and ``middleware/anthropic.go``; its search on the web is
left out.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator

from . import binding
from .errors import ApiError
from .media import decode_image
from .openai_answers import event
from .types import JsonObject, JsonValue

PATH = "/v1/messages"

_ERRORS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    503: "overloaded_error",
}
_REASONS = {"stop": "end_turn", "length": "max_tokens"}
_EFFORTS = {"xhigh": "high", **{level: level for level in ("high", "medium", "low", "max")}}
_OPTIONS = {
    "max_tokens": "num_predict",
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "stop_sequences": "stop",
}
# Characters that count as one token before the prompt has been read.
_CHARACTERS_PER_TOKEN = 4


def error_body(status: int, message: str) -> JsonObject:
    """An error in Anthropic's form."""
    error = {"type": _ERRORS.get(status, "api_error"), "message": message}
    return {"type": "error", "error": error, "request_id": _identity("req")}


def chat_request(body: JsonObject) -> JsonObject:
    """The body for ``/api/chat``.

    Raises:
        ApiError: 400, something is missing or not understood.
    """
    binding.bind(body, "MessagesRequest", binding.MESSAGES)
    if not body.get("model"):
        raise ApiError(400, "model is required")
    if (body.get("max_tokens") or 0) <= 0:
        raise ApiError(400, "max_tokens is required and must be positive")
    if not body.get("messages"):
        raise ApiError(400, "messages is required")
    system = _text_of(body.get("system"))
    messages = [{"role": "system", "content": system}] if system else []
    for message in body["messages"]:
        messages += _native(message)
    options = {ours: body[theirs] for theirs, ours in _OPTIONS.items() if body.get(theirs)}
    return {
        "model": body["model"],
        "messages": messages,
        "options": options,
        "stream": bool(body.get("stream")),
        "tools": [_tool(tool) for tool in body.get("tools") or []],
        "think": _think(body),
    }


def message(answer: JsonObject) -> JsonObject:
    """The answer that is not streamed."""
    reply = answer["message"]
    content: list[JsonObject] = []
    if reply.get("thinking"):
        content.append({"type": "thinking", "thinking": reply["thinking"]})
    if reply["content"]:
        content.append({"type": "text", "text": reply["content"]})
    for call in reply.get("tool_calls") or []:
        function = call["function"]
        content.append(
            {
                "type": "tool_use",
                "id": call["id"],
                "name": function["name"],
                "input": function["arguments"],
            }
        )
    return {
        **_head(answer["model"]),
        # Go writes null for an empty list here.
        "content": content or None,
        "stop_reason": _reason(answer, bool(reply.get("tool_calls"))),
        "usage": _usage(answer),
    }


def events(chunks: Iterator[JsonObject], body: JsonObject) -> Iterator[str]:
    """The server-sent events of a streamed answer."""
    guessed = len(json.dumps(body["messages"])) // _CHARACTERS_PER_TOKEN
    index, kind, called = 0, "", False
    for number, chunk in enumerate(chunks):
        if number == 0:
            prompt = chunk.get("prompt_eval_count") or guessed
            usage = {"input_tokens": prompt, "output_tokens": 0}
            yield _event(
                "message_start", message={**_head(body["model"]), "content": [], "usage": usage}
            )
        for block, delta in _blocks(chunk["message"]):
            called = called or block["type"] == "tool_use"
            if kind != block["type"] or kind == "tool_use":
                if kind:
                    yield _event("content_block_stop", index=index)
                    index += 1
                kind = block["type"]
                yield _event("content_block_start", index=index, content_block=block)
            yield _event("content_block_delta", index=index, delta=delta)
        if chunk["done"]:
            if kind:
                yield _event("content_block_stop", index=index)
            reason = {"stop_reason": _reason(chunk, called)}
            yield _event("message_delta", delta=reason, usage=_usage(chunk))
            yield _event("message_stop")


def _blocks(reply: JsonObject) -> Iterator[tuple[JsonObject, JsonObject]]:
    """For what one chunk says: the block that it belongs to, empty, and the piece of it."""
    if thinking := reply.get("thinking"):
        yield (
            {"type": "thinking", "thinking": ""},
            {"type": "thinking_delta", "thinking": thinking},
        )
    if reply["content"]:
        yield {"type": "text", "text": ""}, {"type": "text_delta", "text": reply["content"]}
    for call in reply.get("tool_calls") or []:
        function = call["function"]
        arguments = json.dumps(function["arguments"])
        yield (
            {"type": "tool_use", "id": call["id"], "name": function["name"], "input": {}},
            {"type": "input_json_delta", "partial_json": arguments},
        )


def _native(message: JsonObject) -> list[JsonObject]:
    """The messages of one message; results of tools come first."""
    content = message.get("content")
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    native: JsonObject = {"role": str(message.get("role", "")).lower(), "content": ""}
    results: list[JsonObject] = []
    for block in content or []:
        match block.get("type"):
            case "text":
                native["content"] += block.get("text") or ""
            case "thinking":
                native["thinking"] = block.get("thinking") or ""
            case "image":
                native.setdefault("images", []).append(_image(block.get("source")))
            case "tool_use":
                for key in ("id", "name"):
                    if not block.get(key):
                        raise ApiError(400, f"tool_use block missing required '{key}' field")
                function = {"name": block["name"], "arguments": block.get("input") or {}}
                native.setdefault("tool_calls", []).append(
                    {"id": block["id"], "function": function}
                )
            case "tool_result":
                text = _text_of(block.get("content"))
                results.append({"role": "tool", "content": text})
    says = native["content"] or native.keys() - {"role", "content"}
    return [*results, native] if says else results


def _image(source: JsonValue) -> str:
    if not isinstance(source, dict):
        raise ApiError(400, "invalid image source")
    kind, data = source.get("type"), str(source.get("data") or "")
    if kind != "base64":
        message = f"invalid image source type: {kind}. Only base64 images are supported."
        raise ApiError(400, message)
    try:
        decode_image(data)
    except ApiError as error:
        raise ApiError(400, f"invalid base64 image data: {error.message}") from None
    return data


def _text_of(content: JsonValue) -> str:
    if isinstance(content, str):
        return content
    blocks = [block for block in content or [] if isinstance(block, dict)]
    return "".join(str(b.get("text") or "") for b in blocks if b.get("type") == "text")


def _tool(tool: JsonObject) -> JsonObject:
    function = {
        "name": tool.get("name", ""),
        "description": tool.get("description", ""),
        "parameters": tool.get("input_schema") or {},
    }
    return {"type": "function", "function": function}


def _think(body: JsonObject) -> JsonValue:
    switch = (body.get("thinking") or {}).get("type")
    if switch in ("enabled", "disabled"):
        return switch == "enabled"
    effort = str((body.get("output_config") or {}).get("effort") or "").strip().lower()
    return _EFFORTS.get(effort)


def _reason(answer: JsonObject, called: bool) -> str:
    return "tool_use" if called else _REASONS.get(answer["done_reason"], "stop_sequence")


def _head(model: str) -> JsonObject:
    return {"id": _identity("msg"), "type": "message", "role": "assistant", "model": model}


def _usage(answer: JsonObject) -> JsonObject:
    return {
        "input_tokens": answer["prompt_eval_count"],
        "output_tokens": answer["eval_count"],
    }


def _event(name: str, **data: JsonValue) -> str:
    return event({"type": name, **data}, name)


def _identity(prefix: str) -> str:
    return f"{prefix}_{uuid.uuid4().hex[:24]}"
