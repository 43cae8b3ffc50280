"""Managed files that somebody edited on a host: shown before a run undoes that, or keeps it."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Collection, Iterable, Iterator
from difflib import unified_diff
from shlex import quote

from pyinfra import logger
from pyinfra.api import FactBase, QuoteString, StringCommand
from typing_extensions import override

from llmrack.components.monitor.prometheus import PrometheusConfiguration
from llmrack.deploy.run.rack import Rack
from llmrack.resources.change import Change, Resource
from llmrack.resources.files import File
from llmrack.resources.releases import Release
from llmrack.secrets.value import MASK, redact

# Lines of one file's edits that are shown, and bytes of it that are read.
MOST_LINES, MOST_BYTES = 60, 1 << 18
# Keys that were typed in by hand are known by what they are called, or by their form.
_SECRET = re.compile(
    r"""(?ix) ( \b [\w-]* (?:key|token|secret|passw(?:or)?d) ["']? \s* [=:] \s* ) \S.*
    | ( \b bearer \s+ | :// [^/\s:@]* : | \b sk- ) [^\s@"']+"""
)


class Contents(FactBase[dict[str, bytes]]):
    """What files on the host have in them, by path; what is not there, or no file, is left out."""

    default = dict

    @override
    def command(self, paths: Collection[str]) -> StringCommand:
        """Encoded, so that it comes as it is."""
        script = (
            f'for p in {" ".join(map(quote, paths))}; do [ -f "$p" ] && [ ! -L "$p" ] && '
            f'printf \'%s\\t%s\\n\' "$p" "$(head -c {MOST_BYTES} "$p" | base64 -w0)"; done; :'
        )
        return StringCommand("sh", "-c", QuoteString(script))

    @override
    def process(self, output: Iterable[str]) -> dict[str, bytes]:
        """Decoded."""
        return {
            path: b64decode(text) for path, _, text in (line.partition("\t") for line in output)
        }


def show_edits(rack: Rack, changes: Iterable[Change]) -> None:
    """Show what was edited by hand and is about to be undone."""
    paths = [path for change in changes for path in change.edited]
    if not paths:
        return
    found = rack.pyinfra_host.get_fact(Contents, paths=paths, _sudo=rack.sudo)
    secrets = dict(rack.run.declared.secrets)
    declared = _declared(rack)
    for path in paths:
        here = found.get(path, b"").decode(errors="replace")
        for line in diff(path, here, declared[path]):
            rack.say(redact(line, secrets), logger.warning)


def kept_edits(rack: Rack) -> list[str]:
    """A sentence for each edited file, or file with edited keys, that stays as it is."""
    seen = rack.seen
    kept = []
    for path, content in _declared(rack).items():
        there = seen.hashes.get(path)
        if path in seen.kept and there and there != File(path, content).digest:
            kept.append(path)
    kept += [path for path in seen.edited_keys if path in seen.kept]
    return [f"{path} was edited by hand, and stays so (keep_edits)" for path in kept]


def diff(path: str, here: str, declared: str) -> list[str]:
    """From what is there to what is declared, as ``diff -u`` shows it; secrets left out."""
    lines = list(
        unified_diff(
            here.splitlines(),
            declared.splitlines(),
            f"{path} (as edited)",
            f"{path} (as declared)",
            n=1,
            lineterm="",
        )
    )
    if len(lines) > MOST_LINES:
        lines[MOST_LINES:] = [f"... and {len(lines) - MOST_LINES} lines more"]
    return [_SECRET.sub(lambda found: f"{found[1] or found[2]}{MASK}", line) for line in lines]


def _declared(rack: Rack) -> dict[str, str]:
    """What managed files shall have in them, by path."""
    parts = rack.resources(rack.arch).values()
    return dict(pair for part in parts for resource in part for pair in _contents(resource))


def _contents(resource: Resource) -> Iterator[tuple[str, str]]:
    if isinstance(resource, File):
        yield resource.path, resource.content
    elif isinstance(resource, Release):
        yield from ((f"{resource.path}/{name}", content) for name, content in resource.files)
    elif isinstance(resource, PrometheusConfiguration):
        yield from ((f"{resource.folder}/{name}", content) for name, content in resource.files)
