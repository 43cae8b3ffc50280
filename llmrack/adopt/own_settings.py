"""LiteLLM's own settings: what the section ``litellm`` of a stack takes, and what it refuses."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any

from llmrack.adopt.addresses import reached
from llmrack.adopt.environment import referred
from llmrack.adopt.keys import Keys
from llmrack.adopt.notes import Notes, Path
from llmrack.adopt.routes import CHAINS
from llmrack.adopt.source import Source
from llmrack.site.litellm_names import unknown_names
from llmrack.stack.checks.litellm_checks import RULES
from llmrack.stack.declaration import Declaration
from llmrack.stack.fleet import Fleet
from llmrack.stack.litellm import CALLBACKS, REFERENCE, secrets_of, values
from llmrack.stack.litellm_secrets import is_secret
from llmrack.stack.schema import Stack

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
_ENDS = ("general_settings", "pass_through_endpoints")
Sections = dict[str, Any]


class OwnSettings:
    """Reads the settings of one configuration that are LiteLLM's own affair."""

    def __init__(self, source: Source, notes: Notes, keys: Keys) -> None:
        self._source = source
        self._data: Sections = source.data
        self._notes = notes
        self._keys = keys

    def sections(self, stack: Stack) -> Sections:
        """The section ``litellm`` of the stack; the rest is noted with its reason."""
        sections = {
            str(name): copy.deepcopy(section)
            for name, section in self._data.items()
            if name not in _READ and not self._is_empty((str(name),), section)
        }
        for name, settings in _READ_SETTINGS.items():
            section = sections.get(name)
            if isinstance(section, dict):
                sections[name] = {k: v for k, v in section.items() if k not in settings}
        before = self._keys.names
        self._with_lists(sections)
        self._with_keys(sections)
        self._without_nothing(sections)
        self._with_variables(sections)
        self._with_addresses(sections)
        sections = {name: section for name, section in sections.items() if section}
        while self._remove_refused(stack, sections):
            pass
        self._keys.forget(self._keys.names - before - {*secrets_of(sections)})
        for path, _ in values(sections):
            self._notes.taken(path, f"litellm.{'.'.join(path)}")
        return sections

    def _remove_refused(self, stack: Stack, sections: Sections) -> bool:
        """Remove what llmrack refuses of the sections. Returns whether there was something."""
        removed = False
        for path, cause, way_out in sorted(_problems(stack, sections), key=_from_the_end):
            if _removed(sections, path):
                self._notes.left_out(path, cause, way_out)
                removed = True
        return removed

    def _is_empty(self, path: Path, section: object) -> bool:
        if section:
            return False
        self._notes.left_out(path, "has nothing in it", "")
        return True

    def _with_lists(self, sections: Sections) -> None:
        """Write callbacks as lists, and endpoints so that they ask for a key."""
        settings = sections.get("litellm_settings")
        if isinstance(settings, dict):
            for name in CALLBACKS:
                if isinstance(settings.get(name), str):
                    settings[name] = [settings[name]]
        general = sections.get(_ENDS[0])
        ends = general.get(_ENDS[1]) if isinstance(general, dict) else None
        for index, end in enumerate(ends if isinstance(ends, list) else []):
            if isinstance(end, dict) and end.get("auth") is not True:
                end["auth"] = True
                path = (*_ENDS, str(index))
                self._notes.taken(path, "with auth: true, so that clients need a key")

    def _with_keys(self, sections: Sections) -> None:
        """Replace secrets in plain text by references, and note those that are referred to."""
        for path, value in list(values(sections)):
            if path[0] == "environment_variables":
                continue
            variable = referred(value)
            if variable is None and not is_secret(path, value):
                continue
            words = [part for part in path[1:] if not part.isdigit()]
            name = self._keys.of(str(value), "_".join(words[-2:]))
            if name is None:
                _removed(sections, path)
                cause = "it only fills the place of a key"
                self._notes.left_out(path, cause, "")
            else:
                _replaced(sections, path, f"{REFERENCE}{name}")

    def _without_nothing(self, sections: Sections) -> None:
        for path, value in list(values(sections)):
            if value is None and _removed(sections, path):
                self._notes.left_out(path, "has no value", "")

    def _with_addresses(self, sections: Sections) -> None:
        """Addresses of containers as the gateway reaches them."""
        for path, value in list(values(sections)):
            if not isinstance(value, str) or "://" not in value:
                continue
            url, remark, way_out = reached(value, self._source.compose)
            if remark:
                _replaced(sections, path, url)
                self._notes.taken(path, f"{url}, {remark}{'; ' if way_out else ''}{way_out}")

    def _with_variables(self, sections: Sections) -> None:
        """The variables of the configuration, and those that its callbacks read by themselves."""
        environment = self._source.environment
        own = sections.pop("environment_variables", None)
        given = {str(name): value for name, value in own.items()} if isinstance(own, dict) else {}
        settings = sections.get("litellm_settings")
        lists = [settings.get(name) for name in CALLBACKS] if isinstance(settings, dict) else []
        named = [
            callback
            for listed in lists
            for callback in (listed if isinstance(listed, list) else [])
            if isinstance(callback, str) and "." not in callback
        ]
        words = {part for callback in named for part in callback.upper().split("_")} - {"OTEL"}
        # Integrations by OpenTelemetry read its variables, too.
        words |= {"OTEL"} if any("otel" in callback for callback in named) else set()
        for name in environment.names():
            if name.partition("_")[0] in words and name not in given:
                given[name] = environment.revealed(name)
        variables: dict[str, Any] = {}
        for name, value in given.items():
            path: Path = ("environment_variables", name)
            if name in self._keys.values or name in self._keys.lacking:
                self._notes.taken(path, f"the secret {name}")
                continue
            variable = referred(value)
            if variable or is_secret(path, value):
                key = self._keys.named(variable or name)
                variables[name] = f"{REFERENCE}{key}"
            else:
                variables[name] = str(value)
        if variables:
            sections["environment_variables"] = variables


def _problems(stack: Stack, sections: Sections) -> Iterator[tuple[Path, str, str]]:
    """What llmrack refuses of ``sections``, with the causes and the ways out."""
    paths = list(_every_path(sections, ()))
    lines = {("litellm", *path): number for number, path in enumerate(paths)}
    whole = stack.model_copy(update={"litellm": sections})
    declaration = Declaration(whole, Fleet(()), secrets_of(sections), lines)
    problems = [problem for rule in RULES for problem in rule(declaration)]
    for problem in [*problems, *unknown_names(declaration, None)]:
        yield paths[problem.line], problem.cause, problem.way_out


def _every_path(node: object, path: Path) -> Iterator[Path]:
    """The key path of a part, and of every part in it."""
    yield path
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _every_path(value, (*path, str(key)))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _every_path(value, (*path, str(index)))


def _from_the_end(problem: tuple[Path, str, str]) -> tuple[tuple[int, str], ...]:
    """Entries of lists last first, so that numbers stay those of the file."""
    path = problem[0]
    return tuple((-int(part), "") if part.isdigit() else (0, part) for part in path)


def _inside(sections: Any, path: Path) -> Any:  # noqa: ANN401  (YAML's)
    for part in path:
        if isinstance(sections, list) and part.isdigit() and int(part) < len(sections):
            sections = sections[int(part)]
        elif isinstance(sections, dict) and part in sections:
            sections = sections[part]
        else:
            return None
    return sections


def _removed(sections: Sections, path: Path) -> bool:
    """Remove a value, and what is empty without it. Returns whether it was there."""
    if not path:
        return False
    around = _inside(sections, path[:-1])
    if isinstance(around, list) and int(path[-1]) < len(around):
        del around[int(path[-1])]
    elif isinstance(around, dict) and path[-1] in around:
        del around[path[-1]]
    else:
        return False
    if path[:-1] and not around:
        _removed(sections, path[:-1])
    return True


def _replaced(sections: Sections, path: Path, value: object) -> None:
    around = _inside(sections, path[:-1])
    if isinstance(around, list):
        around[int(path[-1])] = value
    elif isinstance(around, dict):
        around[path[-1]] = value


def deadlines(data: Sections, notes: Notes) -> dict[str, float]:
    """The deadlines for every model that has none of its own.

    ``request_timeout`` of ``litellm_settings`` comes before ``timeout`` of ``router_settings``.
    """
    found: dict[str, float] = {}
    for section, setting, name in (
        ("router_settings", "timeout", "timeout"),
        ("litellm_settings", "request_timeout", "timeout"),
        ("router_settings", "stream_timeout", "stream_timeout"),
    ):
        settings = data.get(section)
        given = settings.get(setting) if isinstance(settings, dict) else None
        if given is None:
            continue
        if not re.fullmatch(r"\d+(\.\d+)?", str(given)):
            notes.lost((section, setting), "is no number of seconds", "write a number")
            continue
        found[name] = int(given) if float(given).is_integer() else float(given)
        notes.taken((section, setting), f"{name} of every model that has none of its own")
    return found
