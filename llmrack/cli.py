"""The command line: thin; everything it does is a function elsewhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

import click
from pyinfra.api.exceptions import PyinfraError

from llmrack import __version__
from llmrack.bundle.cli import bundle
from llmrack.commands.chat import chat
from llmrack.commands.client import client
from llmrack.commands.curl import curl
from llmrack.commands.dashboard import dashboard
from llmrack.commands.declared import declared as read_declared
from llmrack.commands.declared import inventory_option
from llmrack.commands.export import export
from llmrack.commands.import_ import import_
from llmrack.commands.keys import keys
from llmrack.commands.logs import logs
from llmrack.commands.models import models
from llmrack.commands.pin import pin
from llmrack.commands.releases import releases
from llmrack.commands.report import report
from llmrack.commands.rollback import rollback
from llmrack.commands.secrets import secrets
from llmrack.commands.secrets_list import list_
from llmrack.commands.secrets_test import test
from llmrack.commands.status import status
from llmrack.commands.tail import tail
from llmrack.commands.usage import usage
from llmrack.components.plan import plan_text
from llmrack.hosts.guard import INTERRUPTED, print_all
from llmrack.observe.report.graph import mermaid
from llmrack.observe.report.graph_svg import svg
from llmrack.problems import DeclarationError, Problem
from llmrack.site.declared import read_inventory
from llmrack.stack.checks.host_checks import warnings
from llmrack.stack.schema import Stack
from llmrack.verify.report import as_junit, from_json, table
from llmrack_lab.cli import lab

OK, MISTAKES, COULD_NOT_RUN = 0, 1, 2


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="llmrack")
def main() -> None:
    """From bare Linux boxes with GPUs to a proven LLM service.

    \b
    Deploy:  pyinfra inventory deploy.py
    Verify:  llmrack verify
    """
    print_all()


main.add_command(lab)
main.add_command(bundle)
main.add_command(keys)
main.add_command(secrets)
main.add_command(models)
main.add_command(pin)
secrets.add_command(list_)
secrets.add_command(test)
main.add_command(curl)
main.add_command(status)
main.add_command(usage)
main.add_command(logs)
main.add_command(tail)
main.add_command(report)
main.add_command(releases)
main.add_command(rollback)
main.add_command(chat)
main.add_command(client)
main.add_command(dashboard)
main.add_command(export)
main.add_command(import_)


@main.command()
@inventory_option
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def check(inventory: str, as_json: bool) -> None:
    """Find mistakes in stack, inventory and settings; touches no host.

    Exit code: 0 no mistakes, 1 mistakes, 2 it could not look.
    """
    problems: list[Problem] = []
    code = OK
    try:
        declared = read_inventory(inventory, Path.cwd())
        said = (
            f"{len(declared.stack.models)} models of {len(declared.stack.providers)} providers on "
            f"{len(declared.fleet.hosts)} hosts: no mistakes found"
        )
        for warning in warnings(declared.declaration):
            click.echo(f"warning: {warning}", err=True)
    except DeclarationError as error:
        problems, code = error.problems, MISTAKES
        said = f"{len(problems)} mistake{'s' if len(problems) > 1 else ''} found"
    except FileNotFoundError as error:
        said, code = str(error), COULD_NOT_RUN
    except (PyinfraError, click.ClickException) as error:
        said, code = f"{inventory} cannot be read: {error}", COULD_NOT_RUN
    if as_json:
        findings = [problem.as_dict() for problem in problems]
        click.echo(json.dumps({"exit_code": code, "said": said, "problems": findings}, indent=2))
    else:
        for problem in problems:
            click.echo(str(problem))
        click.echo(said, err=code == COULD_NOT_RUN)
    sys.exit(code)


@main.command()
@inventory_option
@click.option("--host", "only", metavar="HOST", help="Only this host.")
@click.option("--files", is_flag=True, help="Also print the files, with secrets left out.")
def plan(inventory: str, only: str | None, files: bool) -> None:
    """Print what every host shall have; touches no host."""
    declared = read_declared(inventory)
    names = [host.name for host in declared.fleet.hosts]
    if only and only not in names:
        raise click.ClickException(f"no host {only!r}; the inventory has {', '.join(names)}")
    for host in declared.fleet.hosts:
        if only in (None, host.name):
            text = plan_text(
                declared.stack,
                declared.fleet,
                host,
                declared.secrets,
                declared.client_keys,
                files,
            )
            click.echo(text)


@main.command()
@inventory_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["mermaid", "svg"]),
    default="mermaid",
    show_default=True,
    help="Text for a Markdown page, or a drawing.",
)
def graph(inventory: str, form: str) -> None:
    """Print a picture of who answers: names, chains, instances; touches no host."""
    declared = read_declared(inventory)
    draw = {"mermaid": mermaid, "svg": svg}[form]
    click.echo(draw(declared.stack, declared.fleet), nl=False)


@main.command()
def schema() -> None:
    """Print the JSON Schema of stack.yaml, from which editors complete it."""
    described = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    click.echo(json.dumps(described | Stack.model_json_schema(), indent=2))


@main.command()
@inventory_option
@click.option("--limit", metavar="HOST", help="Only this host or group.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option("--junit", type=click.Path(dir_okay=False), help="Write a JUnit XML file, too.")
@click.option("--drill", is_flag=True, help="Prove failover: break instances, restore them.")
@click.option("--yes", "-y", is_flag=True, help="With --drill: do not ask first.")
def verify(
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

    def tell(text: str) -> None:
        click.echo(text, err=True)

    try:
        fleet = LiveFleet(inventory, Path.cwd(), limit)
        plans = fleet.plans
        tell(intention(fleet.declared.stack, plans))
        breaks = any(one.drills for one in plans)
        if breaks and not yes:
            if not sys.stdin.isatty():
                tell("Error: a drill breaks what is live; where nobody can be asked, give --yes")
                sys.exit(COULD_NOT_RUN)
            if not click.confirm("Begin?", err=True):
                sys.exit(COULD_NOT_RUN)
        report = fleet.drill(tell)
    except (FileNotFoundError, DeclarationError, PyinfraError) as error:
        tell(f"Error: {error}")
        sys.exit(COULD_NOT_RUN)
    except KeyboardInterrupt:
        tell("Interrupted: what was broken is restored.")
        sys.exit(INTERRUPTED)
    standins = fleet.standins
    click.echo((drill_json if as_json else drill_table)(report, plans, standins))
    if junit:
        Path(junit).write_text(as_junit(report, standins), encoding="utf-8")
    sys.exit(report.exit_code)
