"""``POST /v1/responses``, OpenAI's newer form, translated to and from the native one.

After Ollama's ``openai/responses.go``; its search on the web is left out.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterable, Iterator

from . import binding
from .errors import ApiError
from .openai import image_of_url
from .openai_answers import event, tool_calls
from .thinking import think_of_effort
from .types import JsonObject, JsonValue

PATH = "/v1/responses"

_OPTIONS = {"temperature": "temperature", "top_p": "top_p", "max_output_tokens": "num_predict"}


def chat_request(body: JsonObject) -> JsonObject:
    """The body for ``/api/chat``.

    Raises:
        ApiError: 400, something in it is not understood.
    """
    binding.bind(body, "ResponsesRequest", binding.RESPONSES)
    messages: list[JsonObject] = []
    if body.get("instructions"):
        messages.append({"role": "system", "content": body["instructions"]})
    given = body.get("input")
    if isinstance(given, str) and given:
        messages.append({"role": "user", "content": given})
    elif isinstance(given, list):
        for number, item in enumerate(given):
            messages += _native(number, item)
    elif given is not None and not isinstance(given, str):
        raise ApiError(400, "input must be a string or array")
    options = {ours: body[theirs] for theirs, ours in _OPTIONS.items() if body.get(theirs)}
    form = (body.get("text") or {}).get("format") or {}
    return {
        "model": body.get("model", ""),
        "messages": messages,
        "options": {"temperature": 1.0, **options},
        "stream": bool(body.get("stream")),
        "tools": [_tool(tool) for tool in body.get("tools") or []],
        "format": form.get("schema") if form.get("type") == "json_schema" else None,
        "think": think_of_effort((body.get("reasoning") or {}).get("effort") or ""),
    }


def response(answer: JsonObject, body: JsonObject) -> JsonObject:
    """The answer that is not streamed."""
    reply, identity = answer["message"], _identity("resp")
    output: list[JsonObject] = []
    if reply.get("thinking"):
        output.append(_reasoning(f"rs_{identity}", reply["thinking"]))
    calls = tool_calls(reply)
    for number, call in enumerate(calls):
        output.append(_call(f"fc_{identity}_{number}", call))
    if not calls:
        output.append(_message(_identity("msg"), reply["content"]))
    whole = _response(identity, body, "completed", output)
    return {**whole, "completed_at": int(time.time()), "usage": _usage(answer)}


def events(chunks: Iterator[JsonObject], body: JsonObject) -> Iterator[str]:
    """The server-sent events of a streamed answer."""
    identity = _identity("resp")
    output: list[JsonObject] = []
    item: JsonObject = {}
    count = 0

    def events_of(parts: Iterable[tuple[str, JsonObject]], **place: int) -> Iterator[str]:
        nonlocal count
        for name, data in parts:
            yield event({**place, **data, "type": name, "sequence_number": count}, name)
            count += 1

    def closed() -> Iterator[str]:
        if item:
            yield from events_of(_closing(item), output_index=len(output))
            output.append(_closed(item))
            item.clear()

    for number, chunk in enumerate(chunks):
        if number == 0:
            begun = {"response": _response(identity, body, "in_progress", [])}
            yield from events_of([("response.created", begun), ("response.in_progress", begun)])
        for kind, piece in _pieces(chunk["message"]):
            if item and item["type"] != kind:
                yield from closed()
            place = {"output_index": len(output)}
            if kind == "function_call":
                yield from events_of(_called(piece), **place)
                output.append(piece)
                continue
            if not item:
                prefix = "rs" if kind == "reasoning" else "msg"
                item |= {"id": _identity(prefix), "type": kind, "text": ""}
                yield from events_of(_opening(item), **place)
            item["text"] += piece
            delta = {"item_id": item["id"], "delta": piece, **_PLACE[kind]}
            yield from events_of([(f"response.{_TEXT[kind]}.delta", delta)], **place)
        if chunk["done"]:
            yield from closed()
            done = _response(identity, body, "completed", output)
            done |= {"completed_at": int(time.time()), "usage": _usage(chunk)}
            yield from events_of([("response.completed", {"response": done})])


_TEXT = {"reasoning": "reasoning_summary_text", "message": "output_text"}
_PLACE: dict[str, JsonObject] = {
    "reasoning": {"summary_index": 0},
    "message": {"content_index": 0, "logprobs": []},
}


def _pieces(reply: JsonObject) -> Iterator[tuple[str, JsonValue]]:
    """What one chunk says: pieces of text or whole calls, and the kind of their item."""
    if reply.get("thinking"):
        yield "reasoning", reply["thinking"]
    for number, call in enumerate(tool_calls(reply)):
        yield "function_call", _call(f"{_identity('fc')}_{number}", call)
    if reply["content"] and not reply.get("tool_calls"):
        yield "message", reply["content"]


def _opening(item: JsonObject) -> Iterator[tuple[str, JsonObject]]:
    identity = {"id": item["id"], "type": item["type"]}
    if item["type"] == "reasoning":
        yield "response.output_item.added", {"item": {**identity, "summary": []}}
        return
    added = {**identity, "status": "in_progress", "role": "assistant", "content": []}
    yield "response.output_item.added", {"item": added}
    place = {"item_id": item["id"], "content_index": 0}
    yield "response.content_part.added", {**place, "part": _part("")}


def _closing(item: JsonObject) -> Iterator[tuple[str, JsonObject]]:
    kind, text = item["type"], item["text"]
    yield f"response.{_TEXT[kind]}.done", {"item_id": item["id"], "text": text, **_PLACE[kind]}
    if kind == "message":
        place = {"item_id": item["id"], "content_index": 0}
        yield "response.content_part.done", {**place, "part": _part(text)}
    yield "response.output_item.done", {"item": _closed(item)}


def _closed(item: JsonObject) -> JsonObject:
    make = _reasoning if item["type"] == "reasoning" else _message
    return make(item["id"], item["text"])


def _called(call: JsonObject) -> Iterator[tuple[str, JsonObject]]:
    begun = {**call, "status": "in_progress", "arguments": ""}
    yield "response.output_item.added", {"item": begun}
    arguments, identity = call["arguments"], {"item_id": call["id"]}
    yield "response.function_call_arguments.delta", {**identity, "delta": arguments}
    yield "response.function_call_arguments.done", {**identity, "arguments": arguments}
    yield "response.output_item.done", {"item": call}


def _reasoning(identity: str, text: str) -> JsonObject:
    summary = [{"type": "summary_text", "text": text}]
    return {"id": identity, "type": "reasoning", "summary": summary, "encrypted_content": text}


def _message(identity: str, text: str) -> JsonObject:
    return {
        "id": identity,
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": [_part(text)],
    }


def _part(text: str) -> JsonObject:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _call(identity: str, call: JsonObject) -> JsonObject:
    return {
        "id": identity,
        "type": "function_call",
        "status": "completed",
        "call_id": call["id"],
        **call["function"],
    }


def _native(number: int, item: JsonValue) -> list[JsonObject]:
    if not isinstance(item, dict):
        raise ApiError(400, f"input[{number}]: json: cannot unmarshal into an input item")
    kind = item.get("type") or ("message" if item.get("role") else "")
    if kind == "message":
        return [{"role": str(item.get("role", "")), **_content(number, item.get("content"))}]
    if kind == "function_call":
        function = {
            "name": item.get("name", ""),
            "arguments": json.loads(item.get("arguments") or "{}"),
        }
        call = {"id": item.get("call_id"), "function": function}
        return [{"role": "assistant", "content": "", "tool_calls": [call]}]
    if kind == "function_call_output":
        return [{"role": "tool", **_content(number, item.get("output"))}]
    if kind in ("reasoning", "web_search_call"):
        return []
    if not kind:
        raise ApiError(400, f"input[{number}]: input item missing required 'type' field")
    raise ApiError(400, f'input[{number}]: unknown input item type: "{kind}"')


def _content(number: int, content: JsonValue) -> JsonObject:
    if isinstance(content, str):
        return {"content": content}
    message: JsonObject = {"content": ""}
    for place, part in enumerate(content or []):
        kind = part.get("type")
        if kind in ("input_text", "output_text"):
            message["content"] += part.get("text") or ""
        elif kind == "input_image":
            message.setdefault("images", []).append(image_of_url(part.get("image_url") or ""))
        elif kind == "input_file":
            raise ApiError(400, "file inputs are not currently supported")
        else:
            where = f"input[{number}]: content[{place}]"
            raise ApiError(400, f"{where}: unknown content type: {kind}")
    return message


def _tool(tool: JsonObject) -> JsonObject:
    function = {
        "name": tool.get("name", ""),
        "description": tool.get("description") or "",
        "parameters": tool.get("parameters") or {},
    }
    return {"type": tool.get("type", "function"), "function": function}


def _response(identity: str, body: JsonObject, status: str, output: list[JsonObject]) -> JsonObject:
    """The response as a whole; fields of the request are repeated."""
    nothing = (
        *("completed_at", "incomplete_details", "previous_response_id", "error", "usage"),
        *("max_tool_calls", "safety_identifier", "prompt_cache_key"),
    )
    return {
        **dict.fromkeys(nothing),
        "id": identity,
        "object": "response",
        "created_at": int(time.time()),
        "status": status,
        "model": body.get("model", ""),
        "instructions": body.get("instructions") or None,
        "output": output,
        "tools": body.get("tools") or [],
        "tool_choice": "auto",
        "truncation": body.get("truncation") or "disabled",
        "parallel_tool_calls": True,
        "text": {"format": (body.get("text") or {}).get("format") or {"type": "text"}},
        **dict.fromkeys(("presence_penalty", "frequency_penalty", "top_logprobs"), 0),
        "top_p": body.get("top_p", 1.0),
        "temperature": body.get("temperature", 1.0),
        "reasoning": body.get("reasoning") or None,
        "max_output_tokens": body.get("max_output_tokens"),
        "store": False,
        "background": bool(body.get("background")),
        "service_tier": "default",
        "metadata": {},
    }


def _usage(answer: JsonObject) -> JsonObject:
    prompt, generated = answer["prompt_eval_count"], answer["eval_count"]
    return {
        "input_tokens": prompt,
        "output_tokens": generated,
        "total_tokens": prompt + generated,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 0},
    }


def _identity(prefix: str) -> str:
    return f"{prefix}_{random.randrange(999999)}"  # noqa: S311  (a name, no secret)
