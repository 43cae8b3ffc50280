"""Makes a client's request one that the chosen deployment takes.

LiteLLM has translated every dialect into OpenAI's form by then, as its keyword arguments. Each
parameter is passed on in the meaning of the client, or refused by its name. Parameters on which no
answer depends are left out, and a header names them (routing/trail.py).
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from ..litellm_parts import OPENAI_CHAT_COMPLETION_PARAMS, supported_parameters
from . import ollama, thinking, types
from .extra_body import add_fields, add_parameters
from .refusals import Refusal
from .rules import Rules

# Parameters that change the server for all clients, or override its declaration: left out, unless
# client_options allows them. Options of Ollama's runner (api/types.go), and vLLM's extra parameters
# for the server.
ENGINE = frozenset(
    [
        "num_ctx",
        "num_batch",
        "num_gpu",
        "main_gpu",
        "num_thread",
        "num_keep",
        "num_predict",
        "low_vram",
        "f16_kv",
        "vocab_only",
        "use_mmap",
        "use_mlock",
        "numa",
        "keep_alive",
        "options",
        "template",
        "raw",
        "context",
        "truncate",
        "shift",
        "draft",
        "priority",
        "kv_transfer_params",
        "chat_template",
        "mm_processor_kwargs",
        "cache_salt",
        "request_id",
        "vllm_xargs",
        "prompt_logprobs",
    ]
)
# Sent beside the parameters: a client's would replace the declared ones.
_BESIDE = ("extra_body", "extra_headers", "extra_query")
# About accounts, caches and speed: no answer depends on them, and no server of ours knows them.
_HARMLESS = [
    "user",
    "store",
    "service_tier",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "prediction",
    "parallel_tool_calls",
    "verbosity",
    "context_management",
    "client_metadata",
]
# Parameters that every call of LiteLLM has, and those without which the answer is another thing.
_ALWAYS = {"model", "messages", "stream", "stream_options", "metadata", "max_retries", "timeout"}
_SHAPES = ("tools", "functions", "response_format")
# Fields of other providers' messages, which OpenAI's own service refuses.
_NOTES = ("thinking_blocks", "reasoning_content", "provider_specific_fields", "cache_control")
_LOCAL_NAMES = ("localhost", ".localhost", ".local", ".lan", ".internal", ".home.arpa", ".lab")


def chat(rules: Rules, declared: dict[str, Any], kwargs: dict[str, Any]) -> list[str]:
    """Make ``kwargs`` a request that the deployment takes; returns the names of omitted parameters.

    + declared: LiteLLM's parameters of the deployment

    Raises Refusal if the deployment cannot do what is asked.
    """
    # Other dialects were checked in their own form; this is LiteLLM's translation of them.
    translated = {name: kwargs[name] for name in ("messages", "tools") if kwargs.get(name)}
    if reason := types.mistake("/chat/completions", translated):
        raise Refusal(reason)
    left_out = declared_prevails(rules, declared, kwargs)
    if isinstance(kwargs.get("stop"), str):
        kwargs["stop"] = [kwargs["stop"]]
    _bound(rules, kwargs)
    level = _level(rules, kwargs, left_out)
    if "messages" in kwargs:
        kwargs["messages"] = [
            _message(rules, number, message) for number, message in enumerate(kwargs["messages"])
        ]
    if rules.engine == "ollama":
        left_out += _taken(kwargs, _HARMLESS)
        _tokens(kwargs, "max_tokens")
        ollama.tools(kwargs)
        kwargs["extra_body"] = ollama.body(rules, kwargs, level)
        add_fields(rules.extra_body, kwargs)
        return left_out
    if rules.engine == "litellm":
        left_out += _translated(rules, declared, kwargs, level)
        add_parameters(rules.extra_body, kwargs)
        return left_out
    if rules.engine == "vllm":
        left_out += _taken(kwargs, ("store", "service_tier", "prediction", "verbosity"))
    if level is not None and rules.levels:
        kwargs["reasoning_effort"] = level
    elif level is not None:
        # vLLM's switch of models such as Qwen3.
        kwargs["extra_body"] = {"chat_template_kwargs": {"enable_thinking": level != "none"}}
    add_fields(rules.extra_body, kwargs)
    # LiteLLM silently drops parameters that it thinks a server does not know (drop_params).
    known = set(OPENAI_CHAT_COMPLETION_PARAMS) - {"metadata"}
    kwargs["allowed_openai_params"] = sorted(known & kwargs.keys())
    return left_out


def _translated(
    rules: Rules, declared: dict[str, Any], kwargs: dict[str, Any], level: str | None
) -> list[str]:
    """Leave out what LiteLLM does not translate; returns the names. Raises Refusal as ``chat``."""
    if level is not None:
        kwargs["reasoning_effort"] = level
    known = supported_parameters(kwargs["model"])
    if rules.can("tools"):
        # LiteLLM judges by its list of models, which lacks the newest.
        known |= {"tools", "tool_choice"}
        kwargs["allowed_openai_params"] = sorted({"tools", "tool_choice"} & kwargs.keys())
    asked = {name for name in OPENAI_CHAT_COMPLETION_PARAMS if kwargs.get(name) is not None}
    asked -= {*_ALWAYS, *declared}
    for name in _SHAPES:
        if name in asked - known:
            raise Refusal(f"the model's API has no {name}; leave it out", name)
    return _taken(kwargs, sorted(asked - known))


def embedding(rules: Rules, declared: dict[str, Any], kwargs: dict[str, Any]) -> list[str]:
    """As ``chat``, for embeddings, which every server takes in OpenAI's form."""
    left_out = declared_prevails(rules, declared, kwargs)
    if (wanted := kwargs.pop("dimensions", None)) is not None:
        # LiteLLM sends them for OpenAI's own models only.
        kwargs["extra_body"] = {"dimensions": int(wanted)}
    add_fields(rules.extra_body, kwargs)
    return left_out


def needs_eyes(messages: Any) -> bool:  # noqa: ANN401  (of any dialect)
    """Whether there is an image in a conversation of OpenAI's, Anthropic's or Responses' form."""
    for message in messages if isinstance(messages, list) else ():
        content = message.get("content") if isinstance(message, dict) else None
        for part in content if isinstance(content, list) else ():
            if isinstance(part, dict) and part.get("type") in ("image_url", "image", "input_image"):
                return True
    return False


def declared_prevails(rules: Rules, declared: dict[str, Any], kwargs: dict[str, Any]) -> list[str]:
    """Replace a client's parameters by declared ones; returns the names of omitted parameters."""
    for name in _BESIDE:
        kwargs.pop(name, None)
        if name in declared:
            kwargs[name] = declared[name]
    left_out = _taken(kwargs, [n for n in ENGINE if n not in rules.client_options])
    left_out += _taken(kwargs, rules.drop)
    for name, value in rules.defaults.items():
        if kwargs.get(name) is None:
            kwargs[name] = list(value) if isinstance(value, tuple) else value
    return left_out


def _taken(kwargs: dict[str, Any], names: Any) -> list[str]:  # noqa: ANN401  (names of any kind)
    """Remove parameters; returns the names of those that were given."""
    return [name for name in names if kwargs.pop(name, None) is not None]


def _bound(rules: Rules, kwargs: dict[str, Any]) -> None:
    if rules.max_tokens is None:
        return
    given = [n for n in ("max_tokens", "max_completion_tokens") if kwargs.get(n) is not None]
    for name in given or ["max_tokens"]:
        kwargs[name] = min(int(kwargs.get(name) or rules.max_tokens), rules.max_tokens)


def _tokens(kwargs: dict[str, Any], name: str) -> None:
    """Give the limit of the answer one name; OpenAI's newer parameter prevails."""
    if (newer := kwargs.pop("max_completion_tokens", None)) is not None:
        kwargs[name] = newer


def _level(rules: Rules, kwargs: dict[str, Any], left_out: list[str]) -> str | None:
    given = {name: kwargs.pop(name, None) for name in thinking.NAMES}
    try:
        wanted = thinking.asked(given)
    except ValueError as error:
        raise Refusal(str(error), "reasoning_effort") from None
    if rules.capabilities is None:
        # The levels of a wildcard's models are not known.
        return wanted
    if rules.can("thinking"):
        return thinking.chosen(wanted, rules.levels, rules.level, rules.most)
    if wanted not in (None, "none"):
        left_out.append("reasoning_effort")
    return None


def _message(rules: Rules, number: int, message: dict[str, Any]) -> dict[str, Any]:
    """A message in the engine's form; the client's own is not changed."""
    message = dict(message)
    where = f"messages[{number}]"
    if calls := message.get("tool_calls"):
        message["tool_calls"] = [
            _call(rules, f"{where}.tool_calls[{i}]", c) for i, c in enumerate(calls)
        ]
    for url in _addresses(message.get("content")):
        if rules.engine != "openai" or _is_near(url):
            raise Refusal(
                f"{where} has an image by its address, and none is fetched from there; send the "
                "image itself, as data:image/png;base64,...",
                "messages",
            )
    if rules.engine == "ollama":
        return ollama.message(number, message)
    if rules.engine == "litellm":
        # LiteLLM translates them for the services that know them.
        return message
    for name in _NOTES:
        message.pop(name, None)
    return message


def _call(rules: Rules, where: str, call: dict[str, Any]) -> dict[str, Any]:
    function = call.get("function")
    if not isinstance(function, dict):
        return call
    given = function.get("arguments")
    if isinstance(given, dict):
        given = json.dumps(given)
    elif not given or not given.strip():
        # Models call tools without parameters like this.
        given = "{}"
    elif rules.engine == "ollama" and not _is_object(given):
        raise Refusal(
            f"{where}.function.arguments is no JSON object, as Ollama needs it", "messages"
        )
    return {**call, "function": {**function, "arguments": given}}


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _addresses(content: Any) -> Iterator[str]:  # noqa: ANN401  (of any form)
    """The addresses of images that the request does not contain."""
    for part in content if isinstance(content, list) else ():
        given = part.get("image_url") if isinstance(part, dict) else None
        url = given.get("url") if isinstance(given, dict) else given
        if isinstance(url, str) and not url.lower().startswith("data:"):
            yield url


def _is_near(url: str) -> bool:
    """Whether an address leads into a private network, or is no address of the web."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".").lower()
    except ValueError:
        return True
    if parts.scheme not in ("http", "https") or ("." not in host and ":" not in host):
        return True
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return host.endswith(_LOCAL_NAMES) or host.replace(".", "").isdigit()
