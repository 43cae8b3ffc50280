"""A chat in OpenAI's form as Ollama's ``/api/chat`` takes it.

LiteLLM's own translation loses or changes parameters (with 1.106.12: a stop text, penalties,
``tool_choice``, the levels of thinking), and puts unknown ones among the options. So this module
makes the body's parts, which replace those of LiteLLM. Source of names and types: api/types.go and
openai/openai.go of ollama/ollama at v0.33.
"""

from __future__ import annotations

from typing import Any

from .refusals import Refusal
from .rules import Rules

# OpenAI's parameter → Ollama's option, and its type.
_OPTIONS = {
    "temperature": ("temperature", float),
    "top_p": ("top_p", float),
    "min_p": ("min_p", float),
    "typical_p": ("typical_p", float),
    "top_k": ("top_k", int),
    "seed": ("seed", int),
    "presence_penalty": ("presence_penalty", float),
    "frequency_penalty": ("frequency_penalty", float),
    "repeat_penalty": ("repeat_penalty", float),
    "repetition_penalty": ("repeat_penalty", float),
    "repeat_last_n": ("repeat_last_n", int),
    "max_tokens": ("num_predict", int),
    "stop": ("stop", list),
}
# Parameters that Ollama cannot serve, and the end of the sentence that says so.
_CANNOT = {
    "logprobs": "cannot be had from Ollama by this gateway",
    "top_logprobs": "cannot be had from Ollama by this gateway",
    "logit_bias": "is nothing that Ollama knows",
    "functions": "is the older form: send tools",
    "function_call": "is the older form: send tools",
    "web_search_options": "is nothing that Ollama knows",
    "audio": "is nothing that Ollama can answer with",
    "suffix": "is nothing that /api/chat knows",
    "echo": "is nothing that Ollama knows",
    "best_of": "is nothing that Ollama knows",
}
# The text fields of a message.
_MESSAGE = ("role", "tool_call_id", "name", "reasoning_content")


def body(rules: Rules, request: dict[str, Any], level: str | None) -> dict[str, Any]:
    """The fields that replace those of LiteLLM's body.

    + request: parameters of the request; those that become fields are removed from it
    + level: of thinking; None: the model decides

    Raises Refusal if Ollama cannot do what is asked.
    """
    for name, why in _CANNOT.items():
        if request.pop(name, None):
            raise Refusal(f"{name} {why}; leave it out", name)
    if (request.pop("n", None) or 1) > 1:
        raise Refusal("n must be 1: Ollama gives one answer at a time", "n")
    if "audio" in (request.pop("modalities", None) or ()):
        raise Refusal("modalities: Ollama answers in text alone", "modalities")
    fields: dict[str, Any] = {"options": {}, "truncate": False}
    for name, (option, kind) in _OPTIONS.items():
        if (value := request.pop(name, None)) is not None:
            fields["options"][option] = kind(value)
    for name in rules.client_options:
        if (value := request.pop(name, None)) is not None:
            # keep_alive is no option but a field of the body.
            (fields if name == "keep_alive" else fields["options"])[name] = value
    if level is not None:
        fields["think"] = level if rules.levels else level != "none"
    _format(request.pop("response_format", None), fields)
    return fields


def tools(request: dict[str, Any]) -> None:
    """Remove the choice of a tool from ``request``: Ollama's models choose themselves.

    Raises Refusal for a choice or a tool that Ollama does not know.
    """
    choice = request.pop("tool_choice", None)
    if choice == "none":
        request.pop("tools", None)
    elif choice not in (None, "auto"):
        raise Refusal(
            "tool_choice must be auto or none: Ollama cannot be made to call a tool; leave it out, "
            "or have it left out (drop: [tool_choice] of the model)",
            "tool_choice",
        )
    for number, tool in enumerate(request.get("tools") or ()):
        if tool.get("type", "function") != "function":
            kind = str(tool["type"])[:40]
            raise Refusal(
                f"tools[{number}] is of type {kind}, and Ollama knows functions alone", "tools"
            )


def message(number: int, original: dict[str, Any]) -> dict[str, Any]:
    """A message with only the fields that ``/api/chat`` has.

    LiteLLM fails at other fields when it counts tokens. Raises Refusal for content that cannot be
    sent to Ollama.
    """
    taken = {n: original[n] for n in _MESSAGE if isinstance(original.get(n), str)}
    content = original.get("content")
    taken["content"] = content if isinstance(content, str) else ""
    if isinstance(content, list):
        taken["content"] = [_part(number, part) for part in content]
    blocks = original.get("thinking_blocks")
    if isinstance(blocks, list) and "reasoning_content" not in taken:
        thoughts = [block.get("thinking") for block in blocks if isinstance(block, dict)]
        if any(thoughts):
            taken["reasoning_content"] = "".join(str(thought or "") for thought in thoughts)
    calls = original.get("tool_calls") or ()
    for call in calls:
        if call.get("type", "function") != "function":
            raise Refusal(
                f"messages[{number}] has a call of type {call['type'][:40]}, and Ollama knows "
                "functions alone",
                "messages",
            )
    if calls:
        taken["tool_calls"] = [
            {
                "id": str(call.get("id") or ""),
                "type": "function",
                "function": {n: call["function"][n] for n in ("name", "arguments")},
            }
            for call in calls
        ]
    return taken


def _part(number: int, part: dict[str, Any]) -> dict[str, Any]:
    kind = part.get("type")
    if kind == "text":
        return {"type": kind, "text": part["text"]}
    if kind == "image_url":
        url = part["image_url"]
        return {"type": kind, "image_url": {"url": url["url"] if isinstance(url, dict) else url}}
    raise Refusal(
        f"messages[{number}] has a part of type {str(kind)[:40]}, and Ollama takes text and "
        "images; send one of these",
        "messages",
    )


def _format(wanted: dict[str, Any] | None, fields: dict[str, Any]) -> None:
    kind = (wanted or {}).get("type")
    if kind == "json_object":
        fields["format"] = "json"
    elif kind == "json_schema":
        schema = (wanted or {}).get("json_schema")
        fields["format"] = schema.get("schema") if isinstance(schema, dict) else None
        if not isinstance(fields["format"], dict):
            raise Refusal("response_format.json_schema.schema must be an object", "response_format")
    elif kind not in (None, "text"):
        raise Refusal(
            "response_format.type must be text, json_object or json_schema", "response_format"
        )
