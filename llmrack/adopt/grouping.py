"""From entries of ``model_list`` to providers, models, tiers and mixes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from llmrack.adopt import services
from llmrack.adopt.entry import Entry
from llmrack.adopt.notes import Notes
from llmrack.stack.models import Model
from llmrack.stack.providers import KINDS
from llmrack.stack.types import is_wildcard

# Priorities of a provider are 1 to 10.
_MOST_PRIORITIES = 10
# The priority and the weight of a provider.
Rank = tuple[int, float]


@dataclass
class Parts:
    """The parts of ``stack.yaml`` that follow from ``model_list``."""

    providers: dict[str, dict[str, Any]] = field(default_factory=dict)
    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    tiers: dict[str, list[str]] = field(default_factory=dict)
    mixes: dict[str, dict[str, float]] = field(default_factory=dict)

    def members(self, name: str) -> list[str]:
        """The models behind a public name, those with the largest share first."""
        if name in self.mixes:
            shares = self.mixes[name]
            return sorted(shares, key=lambda member: -shares[member])
        return self.tiers.get(name) or [name]

    @property
    def names(self) -> set[str]:
        """Every public name."""
        return {*self.models, *self.tiers, *self.mixes}


def _with_shares(group: list[Entry]) -> list[Entry]:
    """The entries with weights; LiteLLM shares by rpm or tpm where none is declared."""
    if any(entry.weight for entry in group):
        return group
    for limit in ("rpm", "tpm"):
        shares = [entry.limits.get(limit) for entry in group]
        if all(shares) and len(set(shares)) > 1:
            return [replace(entry, weight=entry.limits[limit]) for entry in group]
    return group


def grouped(entries: Sequence[Entry], notes: Notes) -> Parts:
    """The parts of a stack that serves the entries' names by their servers."""
    by_name: dict[str, list[Entry]] = {}
    for entry in entries:
        by_name.setdefault(entry.name, []).append(entry)
    groups = {name: _with_shares(_distinct(group, notes)) for name, group in by_name.items()}
    parts = Parts()
    # A server is one provider, which has one priority and one weight for all of its models.
    ranks = _ranks(groups.values())
    taken = set(groups)
    for name, group in groups.items():
        if is_wildcard(name) and not _is_one_model(group):
            for entry in group[1:]:
                cause = "a name with * has one name at its providers"
                notes.lost(entry.path, cause, "give each provider a name of its own")
            group = group[:1]
        if _is_one_model(group) and all(len(ranks[_text(e.provider)]) < 2 for e in group):
            parts.models[name] = _model(parts, name, group, ranks)
        else:
            _choice(parts, name, group, taken)
            _note_choice(parts, name, group, notes)
    return parts


def _is_one_model(group: Sequence[Entry]) -> bool:
    """Whether entries differ in nothing that a model has only once."""
    return len({_text([entry.upstream, entry.model, entry.limits]) for entry in group}) == 1


def _ranks(groups: Iterable[list[Entry]]) -> dict[str, set[Rank]]:
    """By server, the priorities and weights that it would need."""
    ranks: dict[str, set[Rank]] = {}
    for group in groups:
        orders = sorted({entry.order or 1 for entry in group})
        shared = len(group) > 1 and _is_one_model(group)
        for entry in group:
            needed = ranks.setdefault(_text(entry.provider), set())
            if shared:
                priority = min(orders.index(entry.order or 1) + 1, _MOST_PRIORITIES)
                needed.add((priority, _weight(entry)))
    return ranks


def _note_choice(parts: Parts, name: str, group: list[Entry], notes: Notes) -> None:
    members = ", ".join(parts.members(name))
    kind = "tiers" if name in parts.tiers else "mixes"
    for entry in group:
        notes.taken((*entry.path, "model_name"), f"{kind}.{name}, of {members}")
    orders = [entry.order or 1 for entry in group]
    if kind == "tiers" and len(set(orders)) < len(parts.tiers[name]):
        cause = f"the models of {name} with the same order are asked one after the other"
        notes.lost(group[0].path, cause, "declare a mix of them if they shall share the requests")


def _distinct(group: list[Entry], notes: Notes) -> list[Entry]:
    seen: dict[str, Entry] = {}
    for entry in group:
        key = _text([entry.upstream, entry.provider, entry.model])
        if key in seen:
            cause = "asks the same server for the same model as the entry before"
            notes.left_out(entry.path, cause, "")
        seen.setdefault(key, entry)
    return list(seen.values())


def _choice(parts: Parts, name: str, group: list[Entry], taken: set[str]) -> None:
    """A tier or a mix of the models of one name."""
    called = {_free(name, taken): entry for entry in group}
    for member, entry in called.items():
        parts.models[member] = _model(parts, member, [entry], {})
    if len({entry.order or 1 for entry in group}) > 1:
        parts.tiers[name] = sorted(called, key=lambda member: called[member].order or 1)
    else:
        parts.mixes[name] = {member: _weight(entry) for member, entry in called.items()}


def _weight(entry: Entry) -> float:
    weight = entry.weight or 1
    return int(weight) if float(weight).is_integer() else weight


def _free(name: str, taken: set[str]) -> str:
    number = 1
    while f"{name}-{number}" in taken:
        number += 1
    taken.add(f"{name}-{number}")
    return f"{name}-{number}"


def _model(
    parts: Parts, name: str, group: list[Entry], ranks: dict[str, set[Rank]]
) -> dict[str, Any]:
    """The model that these entries are, with their providers added to the stack."""
    at: list[str] = []
    for entry in group:
        provider = _provider(parts, entry.provider, entry.label)
        at.append(provider)
        for priority, weight in ranks.get(_text(entry.provider), ()):
            more = {"priority": priority, "weight": weight}
            parts.providers[provider] |= {n: value for n, value in more.items() if value != 1}
    first = group[0]
    model: dict[str, Any] = {"provider": at[0] if len(at) == 1 else at}
    if first.upstream != _default_upstream(name, first.provider):
        model["model"] = first.upstream
    return model | first.model | first.limits


def _default_upstream(name: str, provider: dict[str, Any]) -> str:
    """The name at the provider if the model declares none."""
    declared: Any = KINDS[provider["kind"]].model_validate(provider)
    upstream: str = declared.upstream(name, Model(provider=("any",)))
    return upstream


def _provider(parts: Parts, provider: dict[str, Any], label: str) -> str:
    """The name of a provider, which is added unless it is there."""
    for name, known in parts.providers.items():
        plain = {n: value for n, value in known.items() if n not in ("priority", "weight")}
        if plain == provider or _is_same_server(plain, provider):
            return name
    number, name = 1, label
    while name in parts.providers:
        number += 1
        name = f"{label}-{number}"
    parts.providers[name] = dict(provider)
    return name


def _is_same_server(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two providers are one server, which is asked in OpenAI's form by either."""
    kinds = ("kind", "prefix")
    clients = [
        {name: value for name, value in provider.items() if name not in kinds}
        for provider in (one, other)
    ]
    speak = all(services.speaks_openai(provider) for provider in (one, other))
    return speak and "url" in one and clients[0] == clients[1]


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True, default=str)
