"""`llmrack check`: mistakes in what is declared."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from pyinfra.api.exceptions import PyinfraError

from llmrack.commands.declared import inventory_option
from llmrack.problems import DeclarationError, Problem
from llmrack.site.declared import read_inventory
from llmrack.stack.checks.checks import warnings

OK, MISTAKES, COULD_NOT_RUN = 0, 1, 2


@click.command()
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
        summary = (
            f"{len(declared.stack.models)} models of {len(declared.stack.providers)} providers on "
            f"{len(declared.fleet.hosts)} hosts: no mistakes found"
        )
        for warning in warnings(declared.declaration):
            click.echo(f"warning: {warning}", err=True)
    except DeclarationError as error:
        problems, code = error.problems, MISTAKES
        summary = f"{len(problems)} mistake{'s' if len(problems) > 1 else ''} found"
    except FileNotFoundError as error:
        summary, code = str(error), COULD_NOT_RUN
    except (PyinfraError, click.ClickException) as error:
        summary, code = f"{inventory} cannot be read: {error}", COULD_NOT_RUN
    if as_json:
        findings = [problem.as_dict() for problem in problems]
        click.echo(json.dumps({"exit_code": code, "said": summary, "problems": findings}, indent=2))
    else:
        for problem in problems:
            click.echo(str(problem))
        click.echo(summary, err=code == COULD_NOT_RUN)
    sys.exit(code)
