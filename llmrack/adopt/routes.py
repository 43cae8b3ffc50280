"""Fallbacks, aliases and the strategy of LiteLLM, as chains, aliases and strategy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llmrack.adopt.grouping import Parts
from llmrack.adopt.model_list import wrong_name
from llmrack.adopt.notes import Notes, Path
from llmrack.stack.types import is_wildcard

CHAINS = {
    "fallbacks": "chains",
    "context_window_fallbacks": "context_window_chains",
    "content_policy_fallbacks": "content_policy_chains",
}
SECTIONS = ("litellm_settings", "router_settings")
_STRATEGIES = {
    "simple-shuffle": "weighted",
    "least-busy": "least-busy",
    "latency-based-routing": "latency",
}
_ALIAS_SETTINGS = (
    ("router_settings", "model_group_alias"),
    ("litellm_settings", "model_alias_map"),
)
Routes = dict[str, Any]


class Routing:
    """Reads the settings of one configuration that decide who answers."""

    def __init__(self, data: dict[str, Any], parts: Parts, notes: Notes) -> None:
        self._data = data
        self._parts = parts
        self._notes = notes
        self._aliases: dict[str, str] = {}

    def routes(self) -> Routes:
        """The keys of ``stack.yaml`` that say who answers, without empty ones."""
        routes: Routes = {}
        if strategy := self._strategy():
            routes["strategy"] = strategy
        self._read_aliases()
        for section in SECTIONS:
            for setting, part in CHAINS.items():
                for head, members in self._chains(section, setting):
                    routes.setdefault(part, {})[head] = members
            for setting in ("fallbacks", "default_fallbacks"):
                if default := self._default(section, setting):
                    routes["default_chain"] = default
        if default := routes.get("chains", {}).pop("*", None):
            routes["default_chain"] = default
        if self._aliases:
            routes["aliases"] = self._aliases
        return {part: value for part, value in routes.items() if value}

    def _setting(self, section: str, name: str) -> Any:  # noqa: ANN401  (YAML's)
        settings = self._data.get(section)
        return settings.get(name) if isinstance(settings, dict) else None

    def _strategy(self) -> str | None:
        declared = self._setting("router_settings", "routing_strategy")
        if declared is None:
            return None
        path = ("router_settings", "routing_strategy")
        if isinstance(declared, str) and declared in _STRATEGIES:
            self._notes.taken(path, f"strategy: {_STRATEGIES[declared]}")
            return None if declared == "simple-shuffle" else _STRATEGIES[declared]
        cause = "the gateway has no such strategy, and shares requests by weight"
        self._notes.lost(path, cause, "choose one of docs/routing.md, and declare it as strategy")
        return None

    def _read_aliases(self) -> None:
        for section, setting in _ALIAS_SETTINGS:
            declared = self._setting(section, setting)
            for alias, target in declared.items() if isinstance(declared, dict) else ():
                path = (section, setting, str(alias))
                name = target.get("model") if isinstance(target, dict) else target
                if isinstance(target, dict) and target.get("hidden"):
                    cause = "clients that list the names see this one, too"
                    self._notes.left_out((*path, "hidden"), cause)
                self._alias(path, str(alias), str(name))

    def _alias(self, path: Path, alias: str, target: str) -> None:
        parts = self._parts
        if reason := wrong_name(alias):
            self._notes.lost(path, *reason)
        elif is_wildcard(alias):
            self._notes.lost(path, "an alias is one name", "declare an alias for each name")
        elif alias in parts.names:
            cause = f"{alias} is a model of model_list, too"
            self._notes.lost(path, cause, "give one of them another name")
        elif target in parts.mixes:
            parts.mixes[alias] = dict(parts.mixes[target])
            self._notes.taken(path, f"mixes.{alias}")
        elif target in parts.tiers:
            parts.tiers[alias] = list(parts.tiers[target])
            self._notes.taken(path, f"tiers.{alias}")
        elif target in parts.models:
            self._aliases[alias] = target
            self._notes.taken(path, f"aliases.{alias}")
        else:
            cause = f"leads to {target}, which was not taken over or is of no entry"
            self._notes.lost(path, cause, "declare the model, then the alias")

    def _chains(self, section: str, setting: str) -> Iterator[tuple[str, list[str]]]:
        declared = self._setting(section, setting)
        for index, item in enumerate(declared if isinstance(declared, list) else []):
            if not isinstance(item, dict) and not (
                isinstance(item, str) and setting == "fallbacks"
            ):
                cause = "is no model with its fallbacks"
                self._notes.lost((section, setting, str(index)), cause, "write MODEL: [OTHER]")
            for head, followers in item.items() if isinstance(item, dict) else ():
                path = (section, setting, str(index), str(head))
                if reason := self._wrong_head(str(head), setting):
                    self._notes.lost(path, *reason)
                    continue
                chain = self._members(path, str(head), followers)
                if chain:
                    place = CHAINS[setting] if head != "*" else "default_chain"
                    text = place if head == "*" else f"{place}.{head}"
                    self._notes.taken(path, f"{text}: {', '.join(chain)}")
                    yield str(head), chain

    def _wrong_head(self, head: str, setting: str) -> tuple[str, str] | None:
        if head == "*" and setting == "fallbacks":
            return None
        if head in self._aliases:
            target = self._aliases[head]
            return f"{head} is another name of {target}", f"declare the chain for {target}"
        if is_wildcard(head) or head not in self._parts.names:
            return f"nobody can ask for {head}", "declare the model that shall have the chain"
        return None

    def _default(self, section: str, setting: str) -> list[str]:
        """The models that stand in for any other; LiteLLM takes plain names as such, too."""
        declared = self._setting(section, setting)
        path = (section, setting)
        names = (
            [item for item in declared if isinstance(item, str)]
            if isinstance(declared, list)
            else []
        )
        chain = self._members(path, "*", names)
        if chain:
            self._notes.taken(path, f"default_chain: {', '.join(chain)}")
        return chain

    def _members(self, path: Path, head: str, followers: object) -> list[str]:
        """The models of a chain, with those of a tier or a mix in its place."""
        asked = set(self._parts.members(head)) | {head}
        chain: list[str] = []
        for item in followers if isinstance(followers, list) else [followers]:
            name = str(item.get("model") if isinstance(item, dict) else item)
            name = self._aliases.get(name, name)
            if name not in self._parts.names or is_wildcard(name):
                cause = f"{name} was not taken over, or is of no entry"
                self._notes.lost(path, cause, "declare the model, then the chain")
                continue
            for member in self._parts.members(name):
                if member in asked:
                    cause = f"{head} has asked {member} already"
                    self._notes.left_out(path, cause, "")
                elif member not in chain:
                    chain.append(member)
        return chain
