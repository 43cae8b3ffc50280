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

    @property
    def secrets(self) -> set[str]:
        """The secrets that providers name."""
        return {
            secret
            for provider in self.providers.values()
            for secret in (
                provider.get("api_key"),
                *provider.get("secret_headers", {}).values(),
                *provider.get("secret_settings", {}).values(),
            )
            if secret
        }


def _with_shares(group: list[Entry], notes: Notes) -> list[Entry]:
    """The entries with weights; LiteLLM shares by rpm or tpm where none is declared.

    It asks an entry without a share only if it can ask no other (simple_shuffle of 1.106.12).
    """
    shares = [entry.weight for entry in group]
    for limit in ("rpm", "tpm"):
        if not any(shares):
            shares = [entry.limits.get(limit) for entry in group]
    if not any(shares) or len(set(shares)) == 1:
        return group
    for entry, share in zip(group, shares, strict=True):
        if not share:
            cause = "has no share, so that LiteLLM asks it last, and llmrack gives it one"
            notes.lost(entry.path, cause, "give each entry of the name a weight or an order")
    return [replace(entry, weight=share) for entry, share in zip(group, shares, strict=True)]


def grouped(entries: Sequence[Entry], notes: Notes) -> Parts:
    """The parts of a stack that serves the entries' names by their servers."""
    by_name: dict[str, list[Entry]] = {}
    for entry in entries:
        by_name.setdefault(entry.name, []).append(entry)
    parts = Parts()
    servers = _Servers(parts)
    groups: dict[str, list[Entry]] = {}
    for name, group in by_name.items():
        wanted = _one_of_all(name, group, notes)
        groups[name] = _distinct(_with_shares(wanted, notes), servers, notes)
    # A server is one provider, which has one priority and one weight for all of its models.
    ranks = _ranks(groups.values(), servers)
    taken = set(groups)
    for name, group in groups.items():
        at = [servers.name(entry) for entry in group]
        if _is_one_model(group) and all(len(ranks[provider]) < 2 for provider in at):
            parts.models[name] = _model(name, group, at)
            for provider in at:
                for priority, weight in ranks[provider]:
                    more = {"priority": priority, "weight": weight}
                    parts.providers[provider] |= {n: v for n, v in more.items() if v != 1}
            for entry in group:
                notes.taken((*entry.path, "model_name"), f"models.{name}")
        else:
            _choice(parts, name, {_free(name, taken): e for e in group}, servers)
            _note_choice(parts, name, group, notes)
    return parts


def _one_of_all(name: str, group: list[Entry], notes: Notes) -> list[Entry]:
    """The entries of a name; only the first one if the name stands for several models."""
    if not is_wildcard(name) or _is_one_model(group):
        return group
    for entry in group[1:]:
        cause = "a name with * has one name at its providers"
        notes.lost(entry.path, cause, "give each provider a name of its own")
        notes.lost_as_a_whole(entry.path)
    return group[:1]


class _Servers:
    """The providers of a stack: one for each server, however its entries name it."""

    def __init__(self, parts: Parts) -> None:
        self._providers = parts.providers
        self._names: dict[str, str] = {}

    def name(self, entry: Entry) -> str:
        """The name of the entry's provider, which is added unless it is there."""
        text = _text(entry.provider)
        if text not in self._names:
            self._names[text] = self._known(entry.provider) or self._added(entry)
        return self._names[text]

    def _known(self, provider: dict[str, Any]) -> str | None:
        for name, known in self._providers.items():
            if known == provider or _is_same_server(known, provider):
                return name
        return None

    def _added(self, entry: Entry) -> str:
        number, name = 1, entry.label
        while name in self._providers:
            number += 1
            name = f"{entry.label}-{number}"
        self._providers[name] = dict(entry.provider)
        return name


def _is_one_model(group: Sequence[Entry]) -> bool:
    """Whether entries differ in nothing that a model has only once."""
    return len({_text([entry.upstream, entry.model, entry.limits]) for entry in group}) == 1


def _ranks(groups: Iterable[list[Entry]], servers: _Servers) -> dict[str, set[Rank]]:
    """By provider, the priorities and weights that it would need."""
    ranks: dict[str, set[Rank]] = {}
    for group in groups:
        orders = sorted({entry.order or 1 for entry in group})
        shared = len(group) > 1 and _is_one_model(group)
        for entry in group:
            needed = ranks.setdefault(servers.name(entry), set())
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


def _distinct(group: list[Entry], servers: _Servers, notes: Notes) -> list[Entry]:
    """The entries, without those that ask a server twice for the same model; shares add up."""
    seen: dict[str, Entry] = {}
    for entry in group:
        key = _text([entry.upstream, servers.name(entry), entry.model])
        if first := seen.get(key):
            cause = "asks the same server for the same model as the entry before"
            notes.left_out(entry.path, cause, "")
            seen[key] = replace(first, weight=_weight(first) + _weight(entry))
        else:
            seen[key] = entry
    return list(seen.values())


def _choice(parts: Parts, name: str, called: dict[str, Entry], servers: _Servers) -> None:
    """A tier or a mix of the models of one name.

    + called: by the names of these models, their entries
    """
    for member, entry in called.items():
        parts.models[member] = _model(member, [entry], [servers.name(entry)])
    if len({entry.order or 1 for entry in called.values()}) > 1:
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


def _model(name: str, group: list[Entry], at: Sequence[str]) -> dict[str, Any]:
    """The model that these entries are.

    + at: the names of their providers
    """
    first = group[0]
    model: dict[str, Any] = {"provider": at[0] if len(at) == 1 else list(at)}
    if first.upstream != _default_upstream(name, first.provider):
        model["model"] = first.upstream
    return model | first.model | first.limits


def _default_upstream(name: str, provider: dict[str, Any]) -> str:
    """The name at the provider if the model declares none."""
    declared: Any = KINDS[provider["kind"]].model_validate(provider)
    upstream: str = declared.upstream(name, Model(provider=("any",)))
    return upstream


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
