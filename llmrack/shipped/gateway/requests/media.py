"""A client's request for a transcription, speech, ranks or an image, as the server takes it.

Servers take OpenAI's form, for ranks vLLM's. LiteLLM drops parameters that it does not know for a
model's name (read in and seen with 1.106.12). Of these, the ones that matter are added here, those
that LiteLLM cannot send are refused, and a header names the others (routing/trail.py).
"""

from __future__ import annotations

from typing import Any

from ..litellm_parts import all_litellm_params
from .adapt import declared_prevails
from .refusals import Refusal
from .rules import Rules

# The parameters that LiteLLM sends for speech and for ranks.
_OF_SPEECH = ("model", "input", "voice", "response_format", "speed", "instructions", "user")
_OF_RANKS = (
    "model",
    "query",
    "documents",
    "top_n",
    "rank_fields",
    "return_documents",
    "max_tokens_per_doc",
    "instruction",
    "truncate_prompt_tokens",
    "truncation_side",
    "max_tokens_per_query",
    "user",
)
# The parameters that it drops for an image if it does not know the model.
_OF_IMAGES = ("response_format", "style")
# OpenAI's own, whose images always come as they are asked for by response_format: b64_json.
_ALWAYS_WHOLE = ("gpt-image", "chatgpt-image")


def of_form(data: dict[str, Any]) -> None:
    """Turn the gateway's own parameters in a form, where all values are text, into JSON's types.

    Raises Refusal for a value that cannot be read.
    """
    if (given := data.get("disable_fallbacks")) is not None:
        data["disable_fallbacks"] = str(given).lower() in ("true", "1")
    for name, made in (("num_retries", int), ("timeout", float)):
        try:
            if name in data:
                data[name] = made(data[name])
        except (TypeError, ValueError):
            raise Refusal(f"{name} must be a number", name) from None


def transcription(rules: Rules, declared: dict[str, Any], kwargs: dict[str, Any]) -> list[str]:
    """As ``adapt.chat``, for a transcription."""
    left_out = _prevails(rules, declared, kwargs)
    _no_stream(kwargs)
    # LiteLLM's default is verbose_json, which not every server knows.
    kwargs["response_format"] = kwargs.get("response_format") or "json"
    file = kwargs["file"]
    if hasattr(file, "read"):
        # Read from its beginning for each instance that is asked.
        file.seek(0)
        kwargs["file"] = (str(file.name), file.read())
    return left_out


def speech(rules: Rules, declared: dict[str, Any], kwargs: dict[str, Any]) -> list[str]:
    """As ``adapt.chat``, for speech, whose answer is audio."""
    left_out = _prevails(rules, declared, kwargs)
    if kwargs.pop("stream_format", None) not in (None, "audio"):
        raise Refusal("stream_format must be audio; leave it out", "stream_format")
    return left_out + _unknown(kwargs, _OF_SPEECH)


def rerank(rules: Rules, declared: dict[str, Any], kwargs: dict[str, Any]) -> list[str]:
    """As ``adapt.chat``, for the ranks of documents."""
    # LiteLLM's router puts Python's own input() there.
    kwargs.pop("input", None)
    left_out = _prevails(rules, declared, kwargs)
    if kwargs.pop("max_chunks_per_doc", None) is not None:
        raise Refusal("max_chunks_per_doc is nothing that the server knows; leave it out")
    return left_out + _unknown(kwargs, _OF_RANKS)


def image(rules: Rules, declared: dict[str, Any], kwargs: dict[str, Any]) -> list[str]:
    """As ``adapt.chat``, for a new image."""
    left_out = _prevails(rules, declared, kwargs)
    _no_stream(kwargs)
    given = {name: kwargs.pop(name) for name in _OF_IMAGES if kwargs.get(name) is not None}
    if str(kwargs["model"]).rpartition("/")[2].startswith(_ALWAYS_WHOLE):
        return left_out + list(given)
    if given:
        kwargs["extra_body"] = (kwargs.get("extra_body") or {}) | given
    return left_out


def edit(rules: Rules, declared: dict[str, Any], kwargs: dict[str, Any]) -> list[str]:
    """As ``adapt.chat``, for an image that is changed."""
    left_out = _prevails(rules, declared, kwargs)
    _no_stream(kwargs)
    for name in ("image", "mask"):
        files = kwargs.get(name)
        for file in files if isinstance(files, list) else [files]:
            if file is not None and hasattr(file, "seek"):
                file.seek(0)
    return left_out


def _prevails(rules: Rules, declared: dict[str, Any], kwargs: dict[str, Any]) -> list[str]:
    left_out = declared_prevails(rules, declared, kwargs)
    # LiteLLM would put them into the body; they are sent in any case (routing/clients.py).
    kwargs.pop("extra_headers", None)
    return left_out


def _no_stream(kwargs: dict[str, Any]) -> None:
    # In a form it is a text.
    if str(kwargs.pop("stream", None)).lower() in ("true", "1"):
        raise Refusal("stream cannot be had here: the answer comes as a whole; leave it out")


def _unknown(kwargs: dict[str, Any], known: tuple[str, ...]) -> list[str]:
    """The client's parameters that LiteLLM does not send."""
    body = (kwargs.get("proxy_server_request") or {}).get("body") or {}
    beside = {*known, *all_litellm_params}
    return [name for name, value in body.items() if value is not None and name not in beside]
