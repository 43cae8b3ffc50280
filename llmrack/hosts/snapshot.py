"""The one look, a pyinfra fact that answers all that resources ask; and sizes of downloads."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence

from pyinfra.api import FactBase, StringCommand
from pyinfra.api.host import Host
from typing_extensions import override

from llmrack.hosts.commands import run, sh
from llmrack.resources.look import Look
from llmrack.resources.look_script import script
from llmrack.resources.script import script_file


class Snapshot(FactBase[list[str]]):
    """The lines that the host answered; ``llmrack.resources.look.parse`` reads them."""

    default = list

    @override
    def command(self, look: Look, nonce: str) -> StringCommand:
        """Run the script by plain ``sh``, whatever the login shell is."""
        return sh(script(look, nonce))

    @override
    def process(self, output: Iterable[str]) -> list[str]:
        """The lines as they are, before them what this machine's clock says."""
        now = time.time()
        here = f"{now:.0f} {time.strftime('%F %R', time.gmtime(now))}"
        return [f"fact\ttime_here\t{here}", *output]


def ask_sizes(host: Host, script: str, stdin: str) -> dict[str, int]:
    """How large things are that a host has yet to fetch, in bytes by name, asked from that host.

    + script: of ``sizes_script``
    + stdin: what the script reads, which may hold a secret; a fact of pyinfra's would print it

    Raises Unreached.
    """
    return sizes_of(run(host, sh(script), stdin=stdin or None).lines)


def sizes_script(models: Mapping[str, str], archives: Mapping[str, Sequence[str]]) -> str:
    """The script that asks how large models and archives are.

    Models are summed from their manifests, archives by Content-Length; what nobody answers for
    is left out, so that an offline mirror is no obstacle.

    + models: URLs of manifests by name
    + archives: URLs by name; the first that answers counts
    """
    words = [word for name, url in models.items() for word in ("model", name, url)]
    words += [
        word for name, urls in archives.items() for url in urls for word in ("archive", name, url)
    ]
    return script_file("hosts/sizes.sh", *words)


def sizes_of(lines: Iterable[str]) -> dict[str, int]:
    """What the script has printed: bytes by name."""
    sizes = {}
    for line in lines:
        _, name, *size = line.split()
        if size and size[0].isdigit():
            sizes[name] = int(size[0])
    return sizes
