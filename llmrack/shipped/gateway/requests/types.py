"""Checks the types in a request, in the forms of OpenAI and Anthropic.

The check precedes every attempt, so that no instance is put aside for a malformed request. LiteLLM
itself reports missing parameters; providers judge values of the right type.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from . import media_types, tools
from .json_values import must_be

# The limit of Go's and C's int64.
_INT64 = 2**63
# Parameters of responses that refer to data at OpenAI's own service; LiteLLM would ignore them.
_KEPT = ("previous_response_id", "conversation", "prompt", "background")
_KEPT_ITEMS = ("item_reference", "compaction")
_KEPT_NOTHING = "the gateway keeps nothing of a conversation; send all of it as input"
_ROLES = ("system", "developer", "user", "assistant", "tool", "function")


def _number(value: Any) -> bool:  # noqa: ANN401  (JSON)
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _whole(value: Any) -> bool:  # noqa: ANN401  (JSON)
    return _number(value) and value == int(value) and abs(value) < _INT64


def _texts(value: Any) -> bool:  # noqa: ANN401  (JSON)
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _objects(value: Any) -> bool:  # noqa: ANN401  (JSON)
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _of(*types: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, types)


_NUMBER = ("a number", _number)
_NOT_NEGATIVE = ("a number of at least 0", lambda value: _number(value) and value >= 0)
_WHOLE = ("a whole number", _whole)
_COUNT = ("a whole number of at least 1", lambda value: _whole(value) and value >= 1)
_SWITCH = ("true or false", _of(bool))
_TEXT = ("a text", _of(str))
_TEXTS = ("a list of texts", _texts)
_TEXT_OR_TEXTS = (
    "a text or a list of texts",
    lambda value: isinstance(value, str) or _texts(value),
)
_OBJECT = ("an object", _of(dict))
_OBJECTS = ("a list of objects", _objects)
_TEXT_OR_OBJECT = ("a text or an object", _of(str, dict))

# By name: the type in words, and its check. A name means the same in all forms; null counts as not
# given.
_SHAPES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "model": _TEXT,
    "stream": _SWITCH,
    "stream_options": _OBJECT,
    # Of the sampling.
    "temperature": _NOT_NEGATIVE,
    "top_p": _NUMBER,
    "top_k": _WHOLE,
    "min_p": _NUMBER,
    "typical_p": _NUMBER,
    "presence_penalty": _NUMBER,
    "frequency_penalty": _NUMBER,
    "repeat_penalty": _NUMBER,
    "repetition_penalty": _NUMBER,
    "repeat_last_n": _WHOLE,
    "seed": _WHOLE,
    "logit_bias": _OBJECT,
    "top_logprobs": _WHOLE,
    # Of the answer.
    "max_tokens": _COUNT,
    "max_completion_tokens": _COUNT,
    "max_output_tokens": _COUNT,
    "n": _COUNT,
    "best_of": _COUNT,
    "echo": _SWITCH,
    "suffix": _TEXT,
    "stop": _TEXT_OR_TEXTS,
    "stop_sequences": _TEXTS,
    "text": _OBJECT,
    "modalities": _TEXTS,
    # Of tools.
    "tools": _OBJECTS,
    "tool_choice": _TEXT_OR_OBJECT,
    "parallel_tool_calls": _SWITCH,
    "functions": _OBJECTS,
    "function_call": _TEXT_OR_OBJECT,
    # Of thinking.
    "reasoning_effort": _TEXT_OR_OBJECT,
    "reasoning": _OBJECT,
    "think": ("true, false or a text", _of(bool, str)),
    "thinking": _OBJECT,
    "output_config": _OBJECT,
    # Of what is said.
    "system": ("a text or a list of objects", lambda v: isinstance(v, str) or _objects(v)),
    "instructions": _TEXT,
    "dimensions": _COUNT,
    "encoding_format": _TEXT,
    # About the request.
    "metadata": _OBJECT,
    "user": _TEXT,
    "timeout": ("a number above 0", lambda value: _number(value) and value > 0),
    "num_retries": _WHOLE,
}


def mistake(path: str, body: Any) -> str | None:  # noqa: ANN401  (whatever a client sent)
    """The first mistake in a request's JSON, as a sentence; None if there is none.

    + path: of the request, such as /v1/chat/completions
    """
    if not isinstance(body, dict):
        return must_be("the body", "a JSON object", body)
    for name, value in body.items():
        shape = _SHAPES.get(name)
        if shape and value is not None and not shape[1](value):
            return must_be(name, shape[0], value)
    ending = path.rstrip("/").rsplit("/", 1)[-1]
    # In the older form it is a number.
    wanted = _WHOLE if "chat/" not in path and ending == "completions" else _SWITCH
    if body.get("logprobs") is not None and not wanted[1](body["logprobs"]):
        return must_be("logprobs", wanted[0], body["logprobs"])
    if ending not in media_types.OF_PATHS and not isinstance(
        body.get("response_format"), dict | None
    ):
        return must_be("response_format", "an object", body["response_format"])
    rest = _OF_PATHS.get("chat" if "chat/completions" in path else ending)
    return (rest(body) if rest else None) or tools.mistake(ending, body.get("tools") or ())


def _conversation(body: Mapping[str, Any]) -> str | None:
    if "messages" not in body:
        return None
    messages = body["messages"]
    if not isinstance(messages, list):
        return must_be("messages", "a list", messages)
    if not messages:
        return "messages is empty: send at least one message"
    for number, message in enumerate(messages):
        where = f"messages[{number}]"
        if not isinstance(message, dict):
            return must_be(where, "an object", message)
        if message.get("role") not in _ROLES:
            return f"{where}.role must be one of {', '.join(_ROLES)}"
        problem = _content(where, message) or _calls(where, message.get("tool_calls"))
        if problem:
            return problem
    return None


def _content(where: str, message: Mapping[str, Any]) -> str | None:
    content = message.get("content")
    if isinstance(content, str):
        return None
    if content is None:
        answers = message["role"] in ("assistant", "tool", "function")
        return None if answers else f"{where}.content is missing"
    if not _objects(content):
        return must_be(f"{where}.content", "a text or a list of objects", content)
    return _parts(where, content)


def _parts(where: str, content: list[dict[str, Any]]) -> str | None:
    for number, part in enumerate(content):
        place, kind = f"{where}.content[{number}]", part.get("type")
        if not isinstance(kind, str):
            return must_be(f"{place}.type", "a text", kind)
        if kind in ("text", "input_text", "output_text") and not isinstance(part.get("text"), str):
            return must_be(f"{place}.text", "a text", part.get("text"))
        if kind == "image_url":
            given = part.get("image_url")
            url = given.get("url") if isinstance(given, dict) else given
            if not isinstance(url, str):
                return must_be(f"{place}.image_url.url", "a text", url)
    return None


def _calls(where: str, calls: Any) -> str | None:  # noqa: ANN401  (JSON)
    if calls is None:
        return None
    if not _objects(calls):
        return must_be(f"{where}.tool_calls", "a list of objects", calls)
    for number, call in enumerate(calls):
        place, function = f"{where}.tool_calls[{number}]", call.get("function")
        if not isinstance(call.get("type", ""), str):
            return must_be(f"{place}.type", "a text", call["type"])
        if call.get("type", "function") != "function":
            continue
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            return f"{place}.function must be an object with a name"
        if not isinstance(function.get("arguments", ""), str | dict | None):
            return must_be(f"{place}.function.arguments", "a text", function["arguments"])
    return None


def _chat(body: Mapping[str, Any]) -> str | None:
    for number, tool in enumerate(body.get("tools") or ()):
        function = tool.get("function")
        named = isinstance(function, dict) and isinstance(function.get("name"), str)
        if tool.get("type", "function") == "function" and not named:
            return f"tools[{number}].function must be an object with a name"
    return _conversation(body)


def _messages(body: Mapping[str, Any]) -> str | None:
    if body.get("mcp_servers"):
        return "mcp_servers cannot be had: the gateway reaches out to none; leave it out"
    for number, tool in enumerate(body.get("tools") or ()):
        if tool.get("type") in (None, "custom") and not isinstance(tool.get("name"), str):
            return must_be(f"tools[{number}].name", "a text", tool.get("name"))
    return _conversation(body)


def _responses(body: Mapping[str, Any]) -> str | None:
    for name in _KEPT:
        if body.get(name):
            return f"{name} cannot be had: {_KEPT_NOTHING}"
    given = body.get("input", "")
    if not (isinstance(given, str) or _objects(given)):
        return must_be("input", "a text or a list of objects", given)
    if given == []:
        return "input is empty: send a text, or at least one object"
    for number, item in enumerate(given if isinstance(given, list) else ()):
        where, content = f"input[{number}]", item.get("content")
        if item.get("type") in _KEPT_ITEMS:
            return f"{where} is of type {item['type']}: {_KEPT_NOTHING}"
        if isinstance(content, str | None):
            continue
        if not _objects(content):
            return must_be(f"{where}.content", "a text or a list of objects", content)
        if problem := _parts(where, content):
            return problem
    return None


def _embeddings(body: Mapping[str, Any]) -> str | None:
    given = body.get("input", "")
    if given in ([], "", None):
        return "input is empty: send a text, or a list of texts" if "input" in body else None
    tokens = isinstance(given, list) and all(map(_whole, given))
    lists = isinstance(given, list) and all(
        isinstance(sequence, list) and sequence and all(map(_whole, sequence)) for sequence in given
    )
    if isinstance(given, str) or _texts(given) or tokens or lists:
        return None
    return must_be("input", "a text or a list of texts", given)


def _completions(body: Mapping[str, Any]) -> str | None:
    given = body.get("prompt", "")
    # In a chat several prompts would become one conversation.
    if isinstance(given, str) or (_texts(given) and len(given) == 1):
        return None
    return must_be("prompt", "one text", given)


_OF_PATHS: dict[str, Callable[[Mapping[str, Any]], str | None]] = {
    "chat": _chat,
    "messages": _messages,
    "count_tokens": _messages,
    "responses": _responses,
    "embeddings": _embeddings,
    "completions": _completions,
    **media_types.OF_PATHS,
}
