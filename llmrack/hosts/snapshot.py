"""The one look: a pyinfra fact that answers everything a host's resources ask."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from pyinfra.api import FactBase, StringCommand
from typing_extensions import override

from llmrack.hosts.commands import sh
from llmrack.resources.downloads import downloading
from llmrack.resources.look import Look
from llmrack.resources.look_script import script
from llmrack.resources.script import script_file
from llmrack.stack.proxy import Downloads


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


class Sizes(FactBase[Any]):
    """How large things are that a host has yet to fetch, in bytes, asked from that host.

    Models are summed from their manifests, archives by Content-Length; what nobody answers for
    is left out, so that an offline mirror is no obstacle.
    """

    default = dict

    @override
    def command(
        self,
        models: dict[str, str],
        archives: tuple[str, ...],
        downloads: Downloads | None = None,
    ) -> StringCommand:
        """Ask for each manifest (``models``: name to URL) and the first archive that answers.

        + downloads: how curl finds its way, given on standard input (``resources.downloads``)
        """
        words = [word for name, url in models.items() for word in ("model", name, url)]
        words += [word for url in archives for word in ("archive", url)]
        return sh(downloading(downloads, script_file("hosts/sizes.sh", *words)))

    @override
    def process(self, output: Iterable[str]) -> dict[str, int]:
        """Sizes by name."""
        sizes = {}
        for line in output:
            _, name, *size = line.split()
            if size and size[0].isdigit():
                sizes[name] = int(size[0])
        return sizes
