"""Names in the section ``litellm`` of a stack that the pinned LiteLLM does not know.

The gateway's gate finds them, too (shipped/gateway/strict_check.py); this check needs no host, and
knows the lines. `make lock` writes the list (tools/litellm_names.py).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping

from llmrack.problems import Problem, nearest
from llmrack.resources.script import TEMPLATES
from llmrack.site.locks import litellm_version, locks
from llmrack.stack.bundle import Bundle
from llmrack.stack.declaration import Declaration
from llmrack.stack.litellm import CALLBACKS, REFUSED_SECTIONS

NAMES = TEMPLATES / "gateway" / "litellm-names.json"
# Not router_settings: a stack can have few of them (stack/checks/litellm_checks.py).
_SECTIONS = ("litellm_settings", "general_settings")


def unknown_names(d: Declaration, bundle: Bundle | None) -> list[Problem]:
    """A problem for each section, setting and callback that LiteLLM would ignore.

    It finds none for a bundle with another LiteLLM than the listed one.
    """
    sections = d.stack.litellm
    if not sections:
        return []
    known = json.loads(NAMES.read_text(encoding="utf-8"))
    version = known["version"]
    if litellm_version(locks(bundle)[0]) != version:
        return []
    wrong: list[tuple[tuple[str, ...], str, Iterable[str]]] = [
        ((name,), name, known["sections"]) for name in sections if name not in REFUSED_SECTIONS
    ]
    for section in _SECTIONS:
        settings = sections.get(section)
        for name in settings if isinstance(settings, dict) else {}:
            wrong.append(((section, name), name, known[section]))
    problems = [
        _problem(d, path, f"{name!r} is not known to LiteLLM {version}", _hint(name, valid))
        for path, name, valid in wrong
        if name not in valid
    ]
    return [*problems, *_unknown_callbacks(d, known)]


def _unknown_callbacks(d: Declaration, known: Mapping[str, Collection[str]]) -> Iterator[Problem]:
    """The callbacks that a setting does not take, with the settings that do."""
    settings = d.stack.litellm.get("litellm_settings")
    chosen = d.stack.litellm.get("callback_settings")
    for kind in CALLBACKS:
        valid = {*known[kind], *(chosen if isinstance(chosen, dict) else {})}
        named = settings.get(kind) if isinstance(settings, dict) else None
        for index, name in enumerate(named if isinstance(named, list) else []):
            if not isinstance(name, str) or "." in name or name in valid:
                continue
            others = [other for other in CALLBACKS if name in known[other]]
            if others:
                cause = f"LiteLLM {known['version']} does not take {name!r} here"
                way_out = f"write it in {' or '.join(others)}"
            else:
                cause = f"{name!r} is not known to LiteLLM {known['version']}"
                way_out = _hint(name, valid)
            yield _problem(d, ("litellm_settings", kind, str(index)), cause, way_out)


def _hint(name: str, valid: Iterable[str]) -> str:
    """The nearest valid name; LiteLLM has too many to list them."""
    hint = nearest(name, valid)
    return hint if hint.startswith("did you mean") else "correct it, or leave it out"


def _problem(d: Declaration, path: tuple[str, ...], cause: str, way_out: str) -> Problem:
    whole = ("litellm", *path)
    return d.problem(".".join(whole), cause, way_out, *whole)
