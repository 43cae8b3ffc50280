"""The OpenAI form of chat, completions and embeddings, as all of the providers' stand-ins speak it.

Shapes after OpenAI's API reference (https://platform.openai.com/docs/api-reference).
"""

from __future__ import annotations

import base64
import binascii
import json
import struct
import time
import uuid
from collections.abc import Iterator

from llmrack_lab.standins.answers import JSON, Answer, Model, Prompt, embedding
from llmrack_lab.standins.http import Reply, Request, Stream
from llmrack_lab.standins.ollama.wanted_call import wanted_call
from llmrack_lab.standins.provider import Provider, Refusal


def model_list(provider: Provider, owner: str) -> Reply:
    """Answer `GET /v1/models`."""
    entry = {"object": "model", "created": provider.started, "owned_by": owner}
    return Reply({"object": "list", "data": [{"id": name, **entry} for name in provider.models]})


def chat(provider: Provider, model: Model, request: Request) -> Reply | Stream:
    """Answer `POST /v1/chat/completions`."""
    body = request.body or {}
    prompt = chat_prompt(model, body)
    answer = provider.say(model, prompt)
    calls = [_tool_call(prompt.tool, answer.tool_arguments)] if prompt.tool else []
    reason = "tool_calls" if calls else answer.finish_reason
    head = _head("chatcmpl", model)
    if not body.get("stream"):
        message: JSON = {"role": "assistant", "content": None if calls else answer.text}
        if calls:
            message["tool_calls"] = calls
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reason}
        usage = _usage(answer)
        whole = head | {"object": "chat.completion", "choices": [choice], "usage": usage}
        return Reply(whole, tokens=usage["completion_tokens"])

    deltas: list[JSON] = [{"role": "assistant", "content": ""}]
    if calls:
        deltas.append({"tool_calls": [{"index": 0, **calls[0]}]})
    deltas += [{"content": word} for word in answer.words]
    choices: list[JSON] = [{"delta": delta, "finish_reason": None} for delta in deltas]
    choices.append({"delta": {}, "finish_reason": reason})
    return _stream(head | {"object": "chat.completion.chunk"}, choices, answer, body)


def completion(provider: Provider, model: Model, request: Request) -> Reply | Stream:
    """Answer `POST /v1/completions`."""
    body = request.body or {}
    answer = provider.say(model, Prompt(str(body.get("prompt", "")), limit=_limit(body)))
    head = _head("cmpl", model) | {"object": "text_completion"}
    if not body.get("stream"):
        choice: JSON = {"index": 0, "text": answer.text, "finish_reason": answer.finish_reason}
        usage = _usage(answer)
        return Reply(head | {"choices": [choice], "usage": usage}, tokens=len(answer.words))
    choices: list[JSON] = [{"text": word, "finish_reason": None} for word in answer.words]
    choices.append({"text": "", "finish_reason": answer.finish_reason})
    return _stream(head, choices, answer, body)


def embeddings(model: Model, request: Request) -> Reply:
    """Answer `POST /v1/embeddings`, as floats or in base64 (little-endian float32)."""
    body = request.body or {}
    given = body.get("input", "")
    texts = [str(text) for text in given] if isinstance(given, list) else [str(given)]
    data = []
    for i, text in enumerate(texts):
        vector = embedding(text, body.get("dimensions") or model.dimensions)
        packed = base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
        value = packed if body.get("encoding_format") == "base64" else vector
        data.append({"object": "embedding", "index": i, "embedding": value})
    tokens = sum(len(text.split()) for text in texts)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return Reply({"object": "list", "data": data, "model": model.name, "usage": usage})


def chat_prompt(model: Model, body: JSON) -> Prompt:
    """Read a chat's request; Refusal where it has no messages, or images for a blind model."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Refusal(400, "messages must hold at least one message")
    texts: list[str] = []
    images: list[bytes] = []
    for message in messages:
        content = message.get("content") or ""
        parts: list[JSON] = [{"text": content}] if isinstance(content, str) else content
        texts += [part["text"] for part in parts if "text" in part]
        images += [_image(part["image_url"]["url"]) for part in parts if "image_url" in part]
    if images and not model.vision:
        raise Refusal(400, f"{model.name} is not a multimodal model")
    tool, arguments = _tool(body)
    return Prompt(" ".join(texts), images, _limit(body), _schema(body), tool, arguments)


def _image(url: str) -> bytes:
    try:
        return base64.b64decode(url.partition("base64,")[2], validate=True)
    except binascii.Error:
        raise Refusal(400, "image_url must be a data URL with valid base64") from None


def _limit(body: JSON) -> int | None:
    return body.get("max_completion_tokens") or body.get("max_tokens")


def _schema(body: JSON) -> JSON | None:
    form = body.get("response_format") or {}
    if form.get("type") == "json_object":
        return {"type": "object", "properties": {"answer": {"type": "string"}}}
    schema: JSON | None = (form.get("json_schema") or {}).get("schema")
    return schema


def _tool(body: JSON) -> tuple[JSON | None, JSON | None]:
    """Return the function to call (None: none), and its arguments where the prompt has them."""
    functions: list[JSON] = [tool["function"] for tool in body.get("tools") or []]
    choice = body.get("tool_choice", "auto")
    if isinstance(choice, dict):
        chosen = (f for f in functions if f["name"] == choice["function"]["name"])
        return next(chosen, None), None
    if choice == "required":
        return functions[0] if functions else None, None
    tool, arguments = wanted_call(functions if choice == "auto" else [], body["messages"])
    return tool or None, arguments


def _tool_call(tool: JSON, arguments: JSON | None) -> JSON:
    function = {"name": tool["name"], "arguments": json.dumps(arguments)}
    return {"id": f"call_{uuid.uuid4().hex[:24]}", "type": "function", "function": function}


def _head(prefix: str, model: Model) -> JSON:
    identity = f"{prefix}-{uuid.uuid4().hex}"
    return {"id": identity, "created": int(time.time()), "model": model.name}


def _usage(answer: Answer) -> JSON:
    # A tool call costs tokens too: one for each value in its arguments.
    completed = len(answer.words) or max(1, len(answer.tool_arguments or {}))
    return {
        "prompt_tokens": answer.prompt_tokens,
        "completion_tokens": completed,
        "total_tokens": answer.prompt_tokens + completed,
    }


def _stream(head: JSON, choices: list[JSON], answer: Answer, body: JSON) -> Stream:
    chunks = [head | {"choices": [{"index": 0, "logprobs": None, **c}]} for c in choices]
    if (body.get("stream_options") or {}).get("include_usage"):
        chunks.append(head | {"choices": [], "usage": _usage(answer)})

    def pieces() -> Iterator[bytes]:
        for chunk in chunks:
            yield f"data: {json.dumps(chunk)}\n\n".encode()
        yield b"data: [DONE]\n\n"

    return Stream("text/event-stream; charset=utf-8", pieces())
