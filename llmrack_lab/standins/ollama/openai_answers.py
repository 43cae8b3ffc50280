"""Answers in OpenAI's form under ``/v1``, made of native ones.

Field by field after Ollama's ``openai/openai.go`` and ``middleware/openai.go``; the requests are in
:mod:`.openai`.
"""

from __future__ import annotations

import base64
import json
import struct
import time
import uuid
from collections.abc import Iterator
from datetime import datetime

from .names import ModelName
from .types import JsonObject


def chat_completion(answer: JsonObject) -> JsonObject:
    """The answer to a chat completion that is not streamed."""
    message = {"role": "assistant", **_spoken(answer["message"])}
    reason = answer.get("done_reason")
    choice = {
        "index": 0,
        "message": message,
        "finish_reason": "tool_calls" if reason == "stop" and "tool_calls" in message else reason,
        **_logprobs(answer),
    }
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
    role: JsonObject = {"role": "assistant"}
    called = False
    for chunk in chunks:
        delta = _spoken(chunk["message"])
        called = called or "tool_calls" in delta
        # The last chunk has nothing but counts, and is left out unless it is the only one.
        if not chunk["done"] or role:
            choice = {"index": 0, "delta": {**role, **delta}, "finish_reason": None}
            yield event({**head, "choices": [{**choice, **_logprobs(chunk)}]})
            role = {}
        if chunk["done"]:
            reason = chunk["done_reason"]
            reason = "tool_calls" if reason == "stop" and called else reason
            choice = {"index": 0, "delta": {}, "finish_reason": reason}
            yield event({**head, "choices": [choice]})
            if _wants_usage(body):
                yield event({**head, "choices": [], "usage": _usage(chunk)})
            yield "data: [DONE]\n\n"


def completion_events(chunks: Iterator[JsonObject], body: JsonObject) -> Iterator[str]:
    """The server-sent events of a streamed completion."""
    head = _head("cmpl", "text_completion", body["model"])
    no_usage = {"usage": _usage({})} if _wants_usage(body) else {}
    for chunk in chunks:
        reason = chunk.get("done_reason")
        choice = {"text": chunk["response"], "index": 0, "finish_reason": reason}
        yield event({**head, "choices": [choice], **no_usage})
        if chunk["done"]:
            if _wants_usage(body):
                yield event({**head, "choices": [], "usage": _usage(chunk)})
            yield "data: [DONE]\n\n"


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
    models = [model_entry(model["name"], model["modified_at"]) for model in answer["models"]]
    # Ollama writes null for an empty list here.
    return {"object": "list", "data": models or None}


def model_entry(name: str, modified_at: str) -> JsonObject:
    """One model as ``/v1/models/<name>`` describes it."""
    created = int(datetime.fromisoformat(modified_at).timestamp())
    owner = ModelName.parse(name).namespace
    return {"id": name, "object": "model", "created": created, "owned_by": owner}


def event(data: JsonObject, name: str = "") -> str:
    """A server-sent event."""
    return (f"event: {name}\n" if name else "") + f"data: {json.dumps(data)}\n\n"


def tool_calls(message: JsonObject) -> list[JsonObject]:
    """The calls of a native message in OpenAI's form."""
    return [
        {
            "id": call["id"],
            "index": call["function"]["index"],
            "type": "function",
            "function": {
                "name": call["function"]["name"],
                "arguments": json.dumps(call["function"]["arguments"]),
            },
        }
        for call in message.get("tool_calls") or []
    ]


def _spoken(message: JsonObject) -> JsonObject:
    converted: JsonObject = {"content": message["content"]}
    if message.get("thinking"):
        converted["reasoning"] = message["thinking"]
    if message.get("tool_calls"):
        converted["tool_calls"] = tool_calls(message)
    return converted


def _logprobs(answer: JsonObject) -> JsonObject:
    logprobs = answer.get("logprobs")
    return {"logprobs": {"content": logprobs}} if logprobs else {}


def _head(prefix: str, kind: str, model: str) -> JsonObject:
    return {
        "id": f"{prefix}-{uuid.uuid4().int % 1000}",
        "object": kind,
        "created": int(time.time()),
        "model": model,
        "system_fingerprint": "fp_ollama",
    }


def _wants_usage(body: JsonObject) -> bool:
    return bool((body.get("stream_options") or {}).get("include_usage"))


def _usage(answer: JsonObject) -> JsonObject:
    prompt, generated = answer.get("prompt_eval_count", 0), answer.get("eval_count", 0)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": generated,
        "total_tokens": prompt + generated,
    }


def _packed(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
