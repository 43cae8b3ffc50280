"""Parameters of a model beside its address and key, in LiteLLM's words and in llmrack's."""

from __future__ import annotations

import re
from typing import Any

from llmrack.adopt.notes import Fields, Notes
from llmrack.observe.providers.discovery import KINDS
from llmrack.stack.extra_body import mistake
from llmrack.stack.kinds import MODES, Kind
from llmrack.stack.parameters import Defaults

_TOKENS = 1_000_000
# Limits and deadlines, which have the same names.
_LIMITS = ("timeout", "stream_timeout", "rpm", "tpm", "max_parallel_requests")
_WHOLE = ("rpm", "tpm", "max_parallel_requests")
_LEVELS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_ABILITIES = {
    "supports_vision": "vision",
    "supports_function_calling": "tools",
    "supports_reasoning": "thinking",
}
# What people write for a mode beside LiteLLM's words.
_OTHER_MODES: dict[str, Kind] = {
    "embeddings": "embedding",
    "tts": "speech",
    "transcription": "transcription",
    "image": "image",
    "completion": "chat",
    "responses": "chat",
}
_COSTS = {"input_cost_per_token": "input", "output_cost_per_token": "output"}
# What a model of a service is known to see, by the beginning of its name.
_WITH_EYES = ("gpt-4o", "gpt-4.1", "gpt-5", "claude-", "gemini-", "o3", "o4-mini", "chatgpt-4o")
_BLIND = (
    "gpt-4o-audio",
    "gpt-4o-mini-audio",
    "o3-mini",
    "claude-2",
    "claude-instant",
    "gemini-embed",
)
_BY_INSTANCES = ("the gateway asks the next instance, then the chain", "see docs/routing.md")
_COST = re.compile(r"_cost(_|$)")
# Parameters without which answers stay the same, with the cause and the way out.
_LEFT_OUT = {
    "allowed_fails": _BY_INSTANCES,
    "api_version": ("a server of this kind has no versions", ""),
    "cooldown_time": ("the gateway decides who rests", "see gateway_cooldown"),
    "drop_params": ("the gateway leaves out what a server does not know", ""),
    "keep_alive": ("the server decides how long a model stays", "set OLLAMA_KEEP_ALIVE there"),
    "max_retries": _BY_INSTANCES,
    "num_retries": _BY_INSTANCES,
    "tags": ("requests are not chosen by tags", "declare a name for each choice"),
    "use_chat_completions_api": ("the gateway sets it itself", ""),
}
# Parameters without which clients get other answers.
_LOST = {
    "num_ctx": ("only Ollama takes it", "leave it out"),
    "mock_response": ("the gateway has no invented answers", "leave it out"),
    "thinking": (
        "the gateway asks for levels of thinking, and not in one service's words",
        "declare the capability thinking, and thinking: {default: high} or another level",
    ),
}
_NO_PLACE = (
    "the gateway sends what clients ask for, and this parameter has no place",
    "let clients send it, or try it as extra_body of the model (docs/requests.md)",
)
_INFO_LEFT_OUT = ("it only describes the model", "")
# What model_info says of who may ask for the model.
_FOR_SOME = ("access_groups", "team_id", "team_public_model_name")
_INFO_LOST = ("everybody with a key may ask for the model", "name models in keys (docs/keys.md)")


def limits(fields: Fields, notes: Notes) -> dict[str, Any]:
    """Take limits and deadlines out of ``litellm_params``."""
    values: dict[str, Any] = {}
    for name in _LIMITS:
        value = fields.pop(name)
        if value is None:
            continue
        try:
            number = float(value)
        except (TypeError, ValueError):
            notes.lost(fields.at(name), "is no number", "write a number")
            continue
        values[name] = int(number) if name in _WHOLE or number.is_integer() else number
        notes.taken(fields.at(name), f"{name} {values[name]}")
    return values


def described(
    fields: Fields, info: Fields, upstream: str, kind: str, notes: Notes
) -> dict[str, Any]:
    """Take out what a model is, what it costs and how it is asked.

    + fields: ``litellm_params``
    + info: ``model_info``
    + kind: of its provider
    """
    model: dict[str, Any] = {}
    if abilities := _capabilities(fields, info, upstream, notes):
        model["capabilities"] = abilities
    if level := fields.pop("reasoning_effort"):
        if level in _LEVELS and (abilities or ["chat"])[0] == "chat":
            model["capabilities"] = list(dict.fromkeys([*(abilities or ["chat"]), "thinking"]))
            model["thinking"] = {"default": level}
            notes.taken(fields.at("reasoning_effort"), f"thinking: default {level}")
        else:
            notes.lost(fields.at("reasoning_effort"), "is no level", "declare thinking")
    model |= _requests(fields, notes)
    if set(abilities or ["chat"]) & {"chat", "embedding"} and (body := _body(fields, kind, notes)):
        model["extra_body"] = body
    if price := _price(fields, info, notes):
        model["price"] = price
    _note_the_rest(fields, info, notes)
    return model


def _note_the_rest(fields: Fields, info: Fields, notes: Notes) -> None:
    for name in fields.rest():
        fields.pop(name)
        if name in _LEFT_OUT:
            notes.left_out(fields.at(name), *_LEFT_OUT[name])
        elif _COST.search(name):
            notes.left_out(fields.at(name), *_INFO_LEFT_OUT)
        else:
            notes.lost(fields.at(name), *_LOST.get(name, _NO_PLACE))
    for name in info.rest():
        info.pop(name)
        if name in _FOR_SOME:
            notes.lost(info.at(name), *_INFO_LOST)
        else:
            notes.left_out(info.at(name), *_INFO_LEFT_OUT)


def _capabilities(fields: Fields, info: Fields, upstream: str, notes: Notes) -> list[str]:
    """What the file says, or what the name says; empty for a plain chat."""
    modes = {mode: kind for kind, mode in MODES.items()} | _OTHER_MODES
    mode = info.pop("mode") or fields.pop("mode")
    flags = {flag: info.pop(flag) for flag in _ABILITIES}
    plain = upstream.rsplit("/", 1)[-1].lower()
    words = (kind for word, kind in KINDS.items() if word in plain)
    kind = modes.get(str(mode)) if mode else next(words, "chat")
    if mode:
        notes.taken(info.at("mode"), f"capabilities: {kind or 'chat'}")
        if kind is None:
            cause = f"the gateway has no answers of the kind {mode!r}"
            notes.lost(info.at("mode"), cause, "see docs/declare.md for those that it has")
    elif kind != "chat":
        notes.taken(fields.at("model"), f"capabilities: {kind}, by its name")
    if kind not in (None, "chat"):
        for flag, value in flags.items():
            if value is not None:
                notes.left_out(info.at(flag), "belongs to chats", "")
        return [str(kind)]
    abilities = ["chat"]
    for flag, ability in _ABILITIES.items():
        if flags[flag] is None:
            continue
        notes.taken(info.at(flag), f"capabilities: {'' if flags[flag] else 'no '}{ability}")
        if flags[flag]:
            abilities.append(ability)
    sees = plain.startswith(_WITH_EYES) and not plain.startswith(_BLIND)
    if sees and flags["supports_vision"] is None:
        abilities.append("vision")
        notes.taken(fields.at("model"), "capabilities: vision, by its name")
    return abilities if len(abilities) > 1 else []


def _requests(fields: Fields, notes: Notes) -> dict[str, Any]:
    """Parameters for requests that do not give them, and those that are left out."""
    model: dict[str, Any] = {}
    defaults: dict[str, Any] = {}
    for name in (*Defaults.model_fields, "max_completion_tokens"):
        value = fields.pop(name)
        if value is None:
            continue
        word = "max_tokens" if name == "max_completion_tokens" else name
        defaults[word] = [value] if word == "stop" and isinstance(value, str) else value
        notes.taken(fields.at(name), f"defaults: {word}")
    if defaults:
        model["defaults"] = defaults
    dropped: list[str] = []
    for name in ("additional_drop_params", "drop_params"):
        value = fields.pop(name)
        if isinstance(value, list):
            dropped += [str(item) for item in value]
            notes.taken(fields.at(name), f"drop: {', '.join(map(str, value))}")
        elif value is not None:
            notes.left_out(fields.at(name), *_LEFT_OUT["drop_params"])
    if dropped:
        model["drop"] = list(dict.fromkeys(dropped))
    return model


def _body(fields: Fields, kind: str, notes: Notes) -> dict[str, Any]:
    """Take out fields that only the server knows."""
    declared = fields.pop("extra_body") or {}
    if not isinstance(declared, dict):
        notes.lost(fields.at("extra_body"), "is no mapping", "give fields with their values")
        declared = {}
    body: dict[str, Any] = {}
    for name, value in declared.items():
        if reason := mistake(str(name), value):
            cause, _, way_out = reason.partition("; ")
            notes.lost((*fields.at("extra_body"), str(name)), cause, way_out)
        else:
            body[name] = value
            notes.taken((*fields.at("extra_body"), name), f"extra_body: {name}")
    if kind == "ollama-remote" and (length := fields.pop("num_ctx")):
        options = body.get("options")
        body["options"] = {"num_ctx": length} | (options if isinstance(options, dict) else {})
        notes.taken(fields.at("num_ctx"), "extra_body: options")
    return body


def _price(fields: Fields, info: Fields, notes: Notes) -> dict[str, float]:
    """US dollars for a million tokens."""
    price: dict[str, float] = {}
    for name, side in _COSTS.items():
        for place in (info, fields):
            value = place.pop(name)
            if isinstance(value, int | float | str) and _is_number(value):
                price[side] = round(float(value) * _TOKENS, 6)
                notes.taken(place.at(name), f"price: {side} {price[side]:g} for a million tokens")
    return {"input": 0.0, "output": 0.0} | price if price else {}


def _is_number(value: object) -> bool:
    try:
        float(str(value))
    except ValueError:
        return False
    return True
