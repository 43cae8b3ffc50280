"""Makes the capabilities of models agree with the chains, tiers and mixes that they are in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llmrack.adopt.grouping import Parts
from llmrack.adopt.notes import Notes
from llmrack.adopt.routes import CHAINS

_KINDS = ("embedding", "transcription", "speech", "rerank", "image")


def agree(parts: Parts, routes: dict[str, Any], notes: Notes) -> None:
    """Take capabilities from models whose stand-ins lack them; notes say which.

    LiteLLM asks every model of a chain for everything. llmrack refuses a chain in which a model
    lacks what another one has. Models of another kind of answer leave the chain.
    """
    _drop_other_kinds(parts, routes, notes)
    changed = True
    while changed:
        changed = False
        for head, members in _choices(parts, routes):
            heads = parts.members(head) if head else []
            wanted = set.intersection(*(_of(parts, name) for name in heads)) if heads else set()
            lacking = {
                ability
                for ability in wanted - {"chat", "thinking", "vision"}
                if any(ability not in _of(parts, name) for name in members)
            }
            for name in heads if lacking else ():
                changed = _without(parts, name, lacking) or changed
                abilities = ", ".join(sorted(lacking))
                cause = f"{name} has {abilities}, and a model that stands in has not"
                notes.left_out(
                    ("model_list",), cause, "add it to 'capabilities', and shorten the chain"
                )


def _of(parts: Parts, name: str) -> set[str]:
    return set(parts.models[name].get("capabilities") or ["chat"])


def _without(parts: Parts, name: str, lacking: set[str]) -> bool:
    before = parts.models[name].get("capabilities") or ["chat"]
    after = [ability for ability in before if ability not in lacking]
    if after == ["chat"]:
        parts.models[name].pop("capabilities", None)
    else:
        parts.models[name]["capabilities"] = after
    return after != before


def _choices(parts: Parts, routes: dict[str, Any]) -> Iterator[tuple[str, list[str]]]:
    for part in CHAINS.values():
        yield from routes.get(part, {}).items()


def _kind(parts: Parts, name: str) -> str:
    return next((kind for kind in _KINDS if kind in _of(parts, name)), "chat")


def _drop_other_kinds(parts: Parts, routes: dict[str, Any], notes: Notes) -> None:
    for part in CHAINS.values():
        chains: dict[str, list[str]] = routes.get(part, {})
        for head in list(chains):
            kind = _kind(parts, parts.members(head)[0])
            chains[head] = _alike(parts, head, chains[head], kind, notes)
            if not chains[head]:
                del chains[head]
    if "default_chain" in routes:
        chain = routes["default_chain"]
        routes["default_chain"] = _alike(parts, "the default chain", chain, "chat", notes)
    for part in [*CHAINS.values(), "default_chain"]:
        if part in routes and not routes[part]:
            del routes[part]


def _alike(parts: Parts, head: str, chain: list[str], kind: str, notes: Notes) -> list[str]:
    for name in chain:
        if _kind(parts, name) != kind:
            cause = f"{name} has another kind of answers than {head}"
            notes.lost(("model_list",), cause, "correct its mode in model_info")
    return [name for name in chain if _kind(parts, name) == kind]
