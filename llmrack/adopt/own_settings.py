"""LiteLLM's own settings: what the section ``litellm`` of a stack takes, and what it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import TypeAdapter, ValidationError

from llmrack.adopt.containers import Containers
from llmrack.adopt.environment import referred
from llmrack.adopt.integrations import add_variables
from llmrack.adopt.keys import Keys
from llmrack.adopt.notes import Notes, Path
from llmrack.adopt.routes import CHAINS
from llmrack.adopt.sections import VARIABLES, Sections
from llmrack.adopt.source import Source
from llmrack.site.litellm_names import unknown_names
from llmrack.stack.checks.litellm_checks import RULES
from llmrack.stack.declaration import Declaration
from llmrack.stack.fleet import Fleet
from llmrack.stack.litellm import (
    CALLBACKS,
    ENDPOINTS,
    MODULE,
    PROGRAM,
    REFERENCE,
    REFUSED,
    secrets_of,
)
from llmrack.stack.litellm_secrets import plain_secrets
from llmrack.stack.load import explained
from llmrack.stack.schema import Stack
from llmrack.stack.types import Seconds

_SECONDS: TypeAdapter[float] = TypeAdapter(Seconds)
# Sections that are read elsewhere.
_READ = ("model_list", "credential_list")
# Settings that are read elsewhere, by section.
_ROUTES = (*CHAINS, "default_fallbacks")
_READ_SETTINGS = {
    "litellm_settings": (*_ROUTES, "model_alias_map", "request_timeout"),
    "router_settings": (
        *(*_ROUTES, "model_group_alias", "routing_strategy", "timeout", "stream_timeout"),
    ),
    "general_settings": ("master_key",),
}
# Parts that are taken over as a whole or not at all: a guardrail without one of its settings may
# let everything through.
_WHOLES = (("guardrails",), ("mcp_servers",), ENDPOINTS)
# Reasons to refuse a setting without which clients get other answers, or none.
_NOTICED = (
    REFUSED["general_settings"]["custom_auth"][0],
    REFUSED["litellm_settings"]["api_base"][0],
    MODULE[0],
    PROGRAM[0],
)
# Settings, and the variables in their place, without which clients get no answers.
_DATABASE = (("general_settings", "database_url"), ("general_settings", "store_model_in_db"))
_DATABASE_VARIABLES = ("DATABASE_URL", "STORE_MODEL_IN_DB")
_KEYS_OF_DATABASE = (
    "the gateway has no database, and knows no keys and models that are in one",
    "issue keys for clients (docs/keys.md), and declare the models",
)


class OwnSettings:
    """Reads the settings of one configuration that are LiteLLM's own affair."""

    def __init__(self, source: Source, notes: Notes, keys: Keys) -> None:
        self._source = source
        self._notes = notes
        self._keys = keys
        self._sections = Sections(dict(self._settings()))

    def sections(self, stack: Stack) -> dict[str, Any]:
        """The section ``litellm`` of the stack; the rest is noted with its reason."""
        sections = self._sections
        before = self._keys.names
        self._with_lists()
        self._with_keys()
        self._without_nothing()
        add_variables(sections, self._source.environment, self._keys, self._notes)
        remarks = Containers(self._source, self._notes, self._keys).replace_addresses(sections)
        self._note_database()
        while self._remove_refused(stack):
            pass
        self._keys.forget(self._keys.names - before - {*secrets_of(sections.data)})
        for path, _ in sections.values():
            where, file = sections.place(path)
            text = f"litellm.{'.'.join(path)}{remarks.get(path, '')}"
            self._notes.taken(where, text, file)
        return sections.data

    def _settings(self) -> Iterator[tuple[str, Any]]:
        """The sections that are not empty, without what is read elsewhere."""
        for name, section in self._source.data.items():
            if name in _READ:
                continue
            if not section:
                self._notes.left_out((str(name),), "has nothing in it")
                continue
            read = _READ_SETTINGS.get(str(name), ())
            rest = section
            if isinstance(section, dict):
                rest = {key: value for key, value in section.items() if key not in read}
            if rest:
                yield str(name), rest

    def _remove_refused(self, stack: Stack) -> bool:
        """Remove what llmrack refuses of the sections. Returns whether there was something."""
        removed = False
        for path, cause, way_out in sorted(self._problems(stack), key=_from_the_end):
            whole = _whole(path)
            where, file = self._sections.place(whole)
            if not self._sections.remove(whole):
                continue
            removed = True
            self._notes.forget(where)
            inner = ".".join(path[len(whole) :])
            text = f"{inner} {cause}" if inner else cause
            if path in _DATABASE:
                self._notes.lost(where, *_KEYS_OF_DATABASE)
            elif whole[:-1] in _WHOLES or (cause in _NOTICED and not _only_watches(path)):
                self._notes.lost(where, text, way_out, file)
            else:
                self._notes.left_out(where, text, way_out, file)
        return removed

    def _problems(self, stack: Stack) -> Iterator[tuple[Path, str, str]]:
        """What llmrack refuses of the sections, with the causes and the ways out."""
        paths = self._sections.paths()
        lines = {("litellm", *path): number for number, path in enumerate(paths)}
        whole = stack.model_copy(update={"litellm": self._sections.data})
        declaration = Declaration(whole, Fleet(()), secrets_of(self._sections.data), lines)
        problems = [problem for rule in RULES for problem in rule(declaration)]
        for problem in [*problems, *unknown_names(declaration, None)]:
            yield paths[problem.line], problem.cause, problem.way_out

    def _with_lists(self) -> None:
        """Write callbacks as lists, and endpoints so that they ask for a key."""
        for name in CALLBACKS:
            if isinstance(self._sections.part("litellm_settings", name), str):
                self._sections.wrap(("litellm_settings", name))
        endpoints = self._sections.part(*ENDPOINTS)
        for index, endpoint in enumerate(endpoints if isinstance(endpoints, list) else []):
            if isinstance(endpoint, dict) and endpoint.get("auth") is not True:
                endpoint["auth"] = True
                path = (*ENDPOINTS, str(index))
                self._notes.taken(path, "with auth: true, so that clients need a key")

    def _with_keys(self) -> None:
        """Replace secrets in plain text by references, and note those that are referred to."""
        plain = {*plain_secrets(self._sections.data)}
        for path, value in reversed(self._sections.values()):
            if path[0] == VARIABLES or (path not in plain and referred(value) is None):
                continue
            words = [part for part in path[1:] if not part.isdigit()]
            name = self._keys.of(str(value), "_".join(words[-2:]))
            if name is None:
                where, _ = self._sections.place(path)
                self._sections.remove(path)
                self._notes.left_out(where, "it only fills the place of a key")
            else:
                self._sections.replace(path, f"{REFERENCE}{name}")

    def _without_nothing(self) -> None:
        for path, value in reversed(self._sections.values()):
            where, _ = self._sections.place(path)
            if value is None and self._sections.remove(path):
                self._notes.left_out(where, "has no value")

    def _note_database(self) -> None:
        """Note a database that only variables name."""
        environment = self._source.environment
        if any(self._sections.part(*path) for path in _DATABASE):
            return
        for name in _DATABASE_VARIABLES:
            value = environment.revealed(name) or ""
            if value and value.lower() != "false":
                self._notes.lost((name,), *_KEYS_OF_DATABASE, environment.place(name))
                return


def _whole(path: Path) -> Path:
    """The guardrail, server or endpoint that a part belongs to; else the part itself."""
    for around in _WHOLES:
        if path[: len(around)] == around and len(path) > len(around):
            return path[: len(around) + 1]
    return path


def _only_watches(path: Path) -> bool:
    """Whether a part is a callback that looks at answers, and changes none."""
    return path[0] == "litellm_settings" and path[1:2] != ("callbacks",) and path[1] in CALLBACKS


def _from_the_end(problem: tuple[Path, str, str]) -> tuple[tuple[int, str], ...]:
    """Entries of lists last first, so that the numbers of the others stay."""
    path = problem[0]
    return tuple((-int(part), "") if part.isdigit() else (0, part) for part in path)


def deadlines(data: dict[str, Any], notes: Notes) -> dict[str, float]:
    """The deadlines for every model that has none of its own.

    ``request_timeout`` of ``litellm_settings`` comes before ``timeout`` of ``router_settings``.
    """
    seconds: dict[str, float] = {}
    for section, setting, name in (
        ("router_settings", "timeout", "timeout"),
        ("litellm_settings", "request_timeout", "timeout"),
        ("router_settings", "stream_timeout", "stream_timeout"),
    ):
        settings = data.get(section)
        declared = settings.get(setting) if isinstance(settings, dict) else None
        if declared is None:
            continue
        try:
            number = _SECONDS.validate_python(declared)
        except ValidationError as error:
            cause = f"is no number of seconds ({explained(error.errors()[0])[0]})"
            notes.lost((section, setting), cause, "correct it")
            continue
        seconds[name] = int(number) if number.is_integer() else number
        notes.taken((section, setting), f"{name} of every model that has none of its own")
    return seconds
