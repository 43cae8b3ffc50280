"""LiteLLM's own settings of ``stack.yaml``, as text among those of llmrack.

They are added as they are: stack/checks/litellm_checks.py has refused what llmrack sets itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import indent

import yaml

from llmrack.stack.litellm import Sections
from llmrack.stack.yaml_text import WithoutReferences

# Sections that llmrack has settings in; callbacks have a place of their own.
SHARED = ("router_settings", "litellm_settings", "general_settings")
_CALLBACKS = ("litellm_settings", "callbacks")
_HEADING = "# From 'litellm' in stack.yaml.\n"


@dataclass(frozen=True)
class LaidOver:
    """The sections of a stack, for the template of config.yaml."""

    sections: Sections

    def has(self, section: str, name: str) -> bool:
        """Whether the stack has this setting."""
        return name in (self.sections.get(section) or {})

    def callbacks(self, metrics: bool) -> str:
        """The callbacks to add, a comma and a blank before each.

        + metrics: whether llmrack's own callbacks have ``prometheus``
        """
        section, name = _CALLBACKS
        declared = (self.sections.get(section) or {}).get(name, [])
        present = {"prometheus"} if metrics else set()
        added = [callback for callback in dict.fromkeys(declared) if callback not in present]
        return f", {_text(added, flow=True)[1:-1]}" if added else ""

    def section(self, name: str) -> str:
        """The lines to add to a section that llmrack has settings in; empty if there are none."""
        settings = self.sections.get(name) or {}
        added = {key: value for key, value in settings.items() if (name, key) != _CALLBACKS}
        return indent(_HEADING + _text(added) + "\n", "  ") if added else ""

    def rest(self) -> str:
        """The other sections."""
        added = {name: value for name, value in self.sections.items() if name not in SHARED}
        return f"\n{_HEADING}{_text(added)}\n" if added else ""


def _text(value: object, flow: bool = False) -> str:
    """A value as YAML, without a line break at its end.

    + flow: on one line, in brackets
    """
    text: str = yaml.dump(
        value,
        Dumper=WithoutReferences,
        sort_keys=False,
        default_flow_style=flow,
        width=float("inf"),
    )
    return text.rstrip("\n")
