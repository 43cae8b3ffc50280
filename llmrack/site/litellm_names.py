"""Names in the section ``litellm`` of a stack that the pinned LiteLLM does not know.

The gateway's gate finds them, too (shipped/gateway/strict_check.py); this check needs no host, and
knows the lines. ``make litellm-names`` writes the list.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

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
    settings = sections.get("litellm_settings")
    own = sections.get("callback_settings")
    callbacks = {*known["callbacks"], *(own if isinstance(own, dict) else {})}
    for kind in CALLBACKS:
        named = settings.get(kind) if isinstance(settings, dict) else None
        for index, name in enumerate(named if isinstance(named, list) else []):
            if isinstance(name, str) and "." not in name:
                wrong.append((("litellm_settings", kind, str(index)), name, callbacks))
    return [
        _problem(d, path, f"{name!r} is not known to LiteLLM {version}", _hint(name, valid))
        for path, name, valid in wrong
        if name not in valid
    ]


def _hint(name: str, valid: Iterable[str]) -> str:
    """The nearest valid name; LiteLLM has too many to list them."""
    hint = nearest(name, valid)
    return hint if hint.startswith("did you mean") else "correct it, or leave it out"


def _problem(d: Declaration, path: tuple[str, ...], cause: str, way_out: str) -> Problem:
    whole = ("litellm", *path)
    return d.problem(".".join(whole), cause, way_out, *whole)
