"""`llmrack releases`: the releases that hosts have."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime

import click

from llmrack.commands.declared import inventory_option
from llmrack.commands.logged import gateways


@click.command()
@inventory_option
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON; sizes in bytes.")
def releases(inventory: str, as_json: bool) -> None:
    """List the releases of gateway and Ollama that hosts have, and the llmrack that made them.

    It changes nothing.

    Exit code: 0 all hosts were asked, 2 one could not be.
    """
    from llmrack.deploy.rollout.rollback import ask_releases
    from llmrack.hosts.connection import Unreached
    from llmrack.tables import columns, printed

    by_host = ask_releases(gateways(inventory))
    if as_json:
        hosts = [
            {"host": name, "unreachable": str(kept)}
            if isinstance(kept, Unreached)
            else {"host": name, **asdict(kept)}
            for name, kept in by_host.items()
        ]
        click.echo(json.dumps({"hosts": hosts}, indent=2))
    else:
        table = columns(("host", "of", "release", "version", "state", "since UTC"), ("MB",))
        for name, kept in by_host.items():
            if isinstance(kept, Unreached):
                continue
            for release in kept.releases:
                since = datetime.fromtimestamp(release.since, UTC).strftime("%Y-%m-%d %H:%M")
                size = f"{release.size / 1e6:.0f}"
                table.add_row(
                    name, release.what, release.name, release.version, release.state, since, size
                )
            if kept.llmrack:
                table.add_row(name, "llmrack", "", kept.llmrack, "", "", "")
            table.add_row(name, "all", "", "", "", "", f"{kept.size / 1e6:.0f}")
        click.echo(printed(table), nl=False)
        for name, kept in by_host.items():
            if isinstance(kept, Unreached):
                click.echo(f"{name}: {kept}", err=True)
    sys.exit(2 if any(isinstance(kept, Unreached) for kept in by_host.values()) else 0)
