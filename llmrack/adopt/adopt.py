"""From a configuration of LiteLLM to everything that llmrack declares in its place."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from llmrack.adopt import capabilities
from llmrack.adopt.environment import referred
from llmrack.adopt.grouping import Parts, grouped
from llmrack.adopt.keys import Keys
from llmrack.adopt.model_list import ModelList
from llmrack.adopt.notes import Notes
from llmrack.adopt.own_settings import OwnSettings, deadlines
from llmrack.adopt.routes import Routing
from llmrack.adopt.source import Source
from llmrack.problems import unusable
from llmrack.secrets.places import MASTER_KEY
from llmrack.secrets.value import Secret
from llmrack.stack.litellm import values
from llmrack.stack.load import explained
from llmrack.stack.schema import Stack
from llmrack.stack.yaml_lines import Lines

# LiteLLM refuses to start with it.
_WEAK = "sk-1234"


class NothingServed(Exception):
    """No model of a configuration can be served; ``notes`` says why."""

    def __init__(self, name: str, notes: Notes) -> None:
        self.notes = notes
        super().__init__(f"{name}: has no model that llmrack can serve; nothing was written")


@dataclass(frozen=True)
class Adopted:
    """What llmrack declares in place of a configuration.

    + stack: the content of ``stack.yaml``
    + settings: the settings of the gateway's host
    + secrets: the values of secrets, by name; the stack may name others, which have no value
    + notes: what became of each line
    """

    stack: dict[str, Any]
    notes: Notes
    settings: dict[str, Any] = field(default_factory=dict)
    secrets: dict[str, Secret] = field(default_factory=dict)


def adopt(source: Source) -> Adopted:
    """Translate a configuration. Raises NothingServed and DeclarationError."""
    notes = Notes(source.name, source.lines)
    for problem in source.unreadable:
        way_out = "name another one, with --env or --compose"
        notes.left_out((), f"{problem.file} beside it {problem.cause}", way_out)
    keys = Keys(source.environment, _referred_to(source))
    for problem in source.repeated:
        path = tuple(problem.where.split("."))
        notes.left_out(path, "stands there twice", "as in LiteLLM, the last one counts")
    entries = list(ModelList(source, notes, keys).entries())
    if not entries:
        raise NothingServed(source.name, notes)
    parts = grouped(entries, notes)
    keys.forget(keys.names - parts.secrets)
    for name, value in deadlines(source.data, notes).items():
        for provider in parts.providers.values():
            provider.setdefault(name, value)
    routes = Routing(source.data, parts, notes).routes()
    capabilities.agree(parts, routes, notes)
    stack = _stack(parts, routes)
    _master_key(source, keys, notes)
    litellm = OwnSettings(source, notes, keys)
    if sections := litellm.sections(_checked(source, stack)):
        stack["litellm"] = sections
    _note_the_rest(source, notes)
    # The vault takes no value of several lines; `llmrack check` names the secret.
    kept = {name: value for name, value in keys.values.items() if value.reveal().isprintable()}
    return Adopted(stack, notes, _settings(source), kept)


def _stack(parts: Parts, routes: dict[str, Any]) -> dict[str, Any]:
    stack: dict[str, Any] = {"providers": parts.providers, "models": parts.models}
    if parts.tiers:
        stack["tiers"] = parts.tiers
    if parts.mixes:
        stack["mixes"] = parts.mixes
    return stack | routes


def _checked(source: Source, stack: dict[str, Any]) -> Stack:
    try:
        return Stack.model_validate(stack)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        cause = f"gives {where} a value that llmrack refuses ({explained(first)[0]})"
        raise unusable(source.name, cause, "correct it there") from None


def _referred_to(source: Source) -> list[str]:
    return [name for _, value in values(source.data) if (name := referred(value))]


def _master_key(source: Source, keys: Keys, notes: Notes) -> None:
    """Keep the master key, so that clients keep theirs."""
    general = source.data.get("general_settings")
    declared = general.get("master_key") if isinstance(general, dict) else None
    path = ("general_settings", "master_key") if declared else ()
    variable = referred(declared) if declared else MASTER_KEY
    value = source.environment.value(variable) if variable else Secret(str(declared))
    if value is None and not declared:
        cause = "has no master_key, so that it may have been open to all, and llmrack asks for keys"
        notes.lost(
            path,
            cause,
            "give clients the key that the first deploy makes, or keys of their own (docs/keys.md)",
        )
    elif value is None:
        cause = f"{variable} has no value in any file, and the first deploy would make another key"
        notes.lost(path, cause, f"put its value into the vault: llmrack secrets set {MASTER_KEY}")
    elif value.is_placeholder or value.reveal() == _WEAK or not value.reveal().isprintable():
        cause = "LiteLLM refuses such a key, and the first deploy makes another one"
        notes.lost(path, cause, "give that one to the clients")
    else:
        keys.values[MASTER_KEY] = value
        if declared:
            notes.taken(path, f"the secret {MASTER_KEY}")


def _settings(source: Source) -> dict[str, Any]:
    """Where the gateway listens: where the container of LiteLLM does."""
    published = source.compose.litellm
    if published is None:
        return {}
    return {"gateway_bind": published.address, "gateway_port": published.port}


def _note_the_rest(source: Source, notes: Notes) -> None:
    """Note each value of the file that nothing was noted of."""
    for path in _leaves(source.lines):
        # The values of a merge key stand where they are merged.
        if "<<" not in path and not notes.has(path):
            notes.left_out(path, "has no place in llmrack", "")


def _leaves(lines: Lines) -> list[tuple[str, ...]]:
    """The key paths that have no other ones below them."""
    around = {path[:-1] for path in lines if path}
    return [path for path in lines if path and path not in around]
