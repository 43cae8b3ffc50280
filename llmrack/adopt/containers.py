"""Addresses of containers among LiteLLM's own settings, as the gateway reaches them."""

from __future__ import annotations

import re
from typing import Any

from llmrack.adopt.addresses import is_name_of_a_container, reached, reached_host, shown
from llmrack.adopt.environment import referred
from llmrack.adopt.keys import Keys
from llmrack.adopt.notes import Notes, Path
from llmrack.adopt.sections import VARIABLES, Sections
from llmrack.adopt.source import Source
from llmrack.secrets.value import Secret

# The name of a setting with a host, or of a variable with one.
_HOST = re.compile(r"(.*_)?(host|HOST)")
_REDIS_PORT = 6379
# Remarks on values, by the paths that they have now.
Remarks = dict[Path, str]


class Containers:
    """Replaces the addresses of containers by those that they publish on their host."""

    def __init__(self, source: Source, notes: Notes, keys: Keys) -> None:
        self._compose = source.compose
        self._notes = notes
        self._keys = keys

    def replace_addresses(self, sections: Sections) -> Remarks:
        """Replace them in values, and in secrets that the values refer to."""
        remarks: Remarks = {}
        for path, value in sections.values():
            text = self._text(value)
            if "://" in text:
                remark = self._replace_url(sections, path, text)
            elif _HOST.fullmatch(path[-1]):
                remark = self._replace_host(sections, path, text)
            else:
                continue
            if remark:
                remarks[path] = remark
        return remarks

    def _text(self, value: object) -> str:
        """A value, or the one that it refers to; empty if it is no text."""
        if name := referred(value):
            secret = self._keys.values.get(name)
            return secret.reveal() if secret else ""
        return value if isinstance(value, str) else ""

    def _replace_url(self, sections: Sections, path: Path, text: str) -> str:
        url, remark, way_out = reached(text, self._compose)
        if not remark:
            if is_name_of_a_container(text):
                self._note_name(sections, path)
            return ""
        if name := referred(sections.part(*path)):
            self._keys.values[name] = Secret(url)
        else:
            sections.replace(path, url)
        self._note_way_out(sections, path, way_out)
        return f", as {shown(url)}, {remark}"

    def _replace_host(self, sections: Sections, path: Path, host: str) -> str:
        around: dict[str, Any] = sections.part(*path[:-1])
        setting = path[-1]
        port_setting = f"{setting[:-4]}{'port' if setting.islower() else 'PORT'}"
        declared_port = around.get(port_setting)
        if isinstance(declared_port, dict | list):
            return ""
        digits = self._text(declared_port) or str(declared_port or "")
        is_redis = "redis" in setting.lower() or "cache_params" in path
        port = int(digits) if digits.isdecimal() else _REDIS_PORT if is_redis else 0
        name, published, remark, way_out = reached_host(host, port, self._compose)
        if not remark:
            if is_name_of_a_container(f"http://{host}"):
                self._note_name(sections, path)
            return ""
        around[setting] = name
        if published:
            around[port_setting] = str(published) if path[0] == VARIABLES else published
        self._note_way_out(sections, path, way_out)
        return f", as {name}:{published}, {remark}"

    def _note_way_out(self, sections: Sections, path: Path, way_out: str) -> None:
        if way_out:
            where, file = sections.place(path)
            cause = "nothing outside of the containers reaches it"
            self._notes.lost(where, cause, way_out, file)

    def _note_name(self, sections: Sections, path: Path) -> None:
        where, file = sections.place(path)
        cause = "the name looks like a container's, and the gateway runs in none"
        way_out = "name the compose file with --compose, or make the name known to the host"
        self._notes.taken(where, f"{cause}; {way_out}", file)
