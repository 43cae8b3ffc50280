"""`llmrack verify`: proves what is served, and with --drill that failover works."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

import click

from llmrack.commands.declared import inventory_option
from llmrack.commands.errors import CouldNotAsk, could_not_ask
from llmrack.hosts.guard import INTERRUPTED
from llmrack.verify.report import as_junit, table
from llmrack.verify.report_json import from_json

COULD_NOT_RUN = 2


@click.command()
@inventory_option
@click.option("--limit", metavar="HOST", help="Only this host or group.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option("--junit", type=click.Path(dir_okay=False), help="Write a JUnit XML file, too.")
@click.option("--drill", is_flag=True, help="Prove failover: break instances, restore them.")
@click.option("--yes", "-y", is_flag=True, help="With --drill: do not ask first.")
def verify(  # noqa: PLR0913  (click passes each option)
    inventory: str, limit: str | None, as_json: bool, junit: str | None, drill: bool, yes: bool
) -> None:
    """Prove with real requests that what is declared is what is served.

    Exit code: 0 all proven, 1 something failed, 2 it could not run.
    """
    if drill:
        _drill(inventory, limit, as_json, junit, yes)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pyinfra", inventory, "verify.py", "-y"]
        run = subprocess.run(  # noqa: S603  (our own interpreter, no shell)
            command + (["--limit", limit] if limit else []),
            env={**os.environ, "LLMRACK_REPORT_FILE": str(file), "PYINFRA_PROGRESS": "off"},
            stdout=subprocess.DEVNULL,
            check=False,
        )
        text = file.read_text(encoding="utf-8") if file.exists() else ""
    if not text:
        click.echo("nothing could be asked: see the messages above", err=True)
        sys.exit(COULD_NOT_RUN)
    report, standins = from_json(text)
    click.echo(text if as_json else table(report, standins))
    if junit:
        Path(junit).write_text(as_junit(report, standins), encoding="utf-8")
    sys.exit(report.exit_code or (COULD_NOT_RUN if run.returncode else 0))


def _drill(
    inventory: str, limit: str | None, as_json: bool, junit: str | None, yes: bool
) -> NoReturn:
    """Break one instance after the other, once a person has agreed to it."""
    # The requests need httpx, which costs 0.2 s to import.
    from llmrack.drills.live import LiveFleet
    from llmrack.drills.report import drill_json, drill_table, intention

    try:
        with could_not_ask():
            fleet = LiveFleet(inventory, Path.cwd(), limit)
            plans = fleet.plans
            _say(intention(fleet.declared.stack, plans))
            if any(plan.drills for plan in plans) and not agreed(yes):
                sys.exit(COULD_NOT_RUN)
            report = fleet.drill(_say)
    except KeyboardInterrupt:
        _say("Interrupted: what was broken is restored.")
        sys.exit(INTERRUPTED)
    standins = fleet.standins
    click.echo((drill_json if as_json else drill_table)(report, plans, standins))
    if junit:
        Path(junit).write_text(as_junit(report, standins), encoding="utf-8")
    sys.exit(report.exit_code)


def agreed(yes: bool) -> bool:
    """Whether a person agrees to a drill. Raises CouldNotAsk where nobody can be asked.

    + yes: it was agreed to beforehand
    """
    if yes:
        return True
    if not sys.stdin.isatty():
        raise CouldNotAsk("a drill breaks what is live; where nobody can be asked, give --yes")
    return click.confirm("Begin?", err=True)


def _say(text: str) -> None:
    click.echo(text, err=True)
