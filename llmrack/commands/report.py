"""`llmrack report`: a page with everything on it."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

import click

from llmrack.commands.declared import inventory_option
from llmrack.commands.errors import CouldNotAsk
from llmrack.commands.logged import gateways, last_option


@click.command()
@inventory_option
@click.option(
    "-o",
    "--output",
    "folder",
    required=True,
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where index.html is written; everybody may read it, it holds no key.",
)
@last_option("24h")
def report(inventory: str, folder: Path, last: timedelta) -> None:
    """Write a page: the fleet, its health, the last proof, usage and trends.

    It needs no script and no other server. It is also written when hosts cannot be asked.

    Exit code: 0 all is well, 1 something is not, 2 something could not be asked.
    """
    from llmrack.observe.report.report import ask_report, write_report

    answers = ask_report(gateways(inventory), Path.cwd(), last)
    try:
        file = write_report(answers, folder)
    except OSError as error:
        raise CouldNotAsk(
            f"{folder} cannot be written to ({error.strerror}): name another folder with -o"
        ) from None
    click.echo(f"{answers.verdict.sentence} {file}")
    for host, why in answers.unreached.items():
        click.echo(f"{host}: its requests are not counted: {why}", err=True)
    sys.exit(answers.exit_code)
