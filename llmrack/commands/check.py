"""`llmrack check`: mistakes in what is declared."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path

import click
from pyinfra.api.exceptions import PyinfraError

from llmrack.commands.declared import inventory_option, is_in_cluster
from llmrack.kube.cluster import read_cluster
from llmrack.kube.settings import FILE
from llmrack.problems import DeclarationError, Problem
from llmrack.site.declared import read_inventory
from llmrack.stack.checks.checks import warnings

OK, MISTAKES, COULD_NOT_RUN = 0, 1, 2


@dataclass
class _Found:
    """What was found in hosts and cluster together."""

    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    where: list[str] = field(default_factory=list)
    size: str = ""

    @property
    def said(self) -> str:
        """The sentence at the end."""
        if self.problems:
            number = len(self.problems)
            return f"{number} mistake{'s' if number > 1 else ''} found"
        return f"{self.size} {' and '.join(self.where)}: no mistakes found"


@click.command()
@inventory_option
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def check(inventory: str, as_json: bool) -> None:
    """Find mistakes in stack, inventory and settings, and in kube.yaml; touches no host.

    Exit code: 0 no mistakes, 1 mistakes, 2 it could not look.
    """
    found, code, said = _Found(), OK, ""
    try:
        if not is_in_cluster(inventory):
            _hosts(inventory, found)
        if Path(FILE).exists():
            _cluster(found)
        code, said = (MISTAKES if found.problems else OK), found.said
    except FileNotFoundError as error:
        said, code = str(error), COULD_NOT_RUN
    except (PyinfraError, click.ClickException) as error:
        said, code = f"{inventory} cannot be read: {error}", COULD_NOT_RUN
    for warning in dict.fromkeys(map(str, found.warnings)):
        click.echo(f"warning: {warning}", err=True)
    problems = list({str(problem): problem for problem in found.problems}.values())
    if as_json:
        findings = [problem.as_dict() for problem in problems]
        click.echo(json.dumps({"exit_code": code, "said": said, "problems": findings}, indent=2))
    else:
        for problem in problems:
            click.echo(str(problem))
        click.echo(said, err=code == COULD_NOT_RUN)
    sys.exit(code)


def _hosts(inventory: str, found: _Found) -> None:
    try:
        site = read_inventory(inventory, Path.cwd())
    except DeclarationError as error:
        found.problems += error.problems
        return
    number = len(site.fleet.hosts)
    found.size = f"{len(site.stack.models)} models of {len(site.stack.providers)} providers"
    found.where.append(f"on {number} host{'s' if number != 1 else ''}")
    found.warnings += warnings(site.declaration)


def _cluster(found: _Found) -> None:
    try:
        cluster = read_cluster(Path.cwd())
    except DeclarationError as error:
        found.problems += error.problems
        return
    stack, number = cluster.site.stack, len(cluster.kube.engines)
    found.size = f"{len(stack.models)} models of {len(stack.providers)} providers"
    engines = f"{number} engine{'s' if number != 1 else ''}"
    found.where.append(f"in the namespace {cluster.namespace} with {engines}")
    found.warnings += warnings(cluster.site.declaration)
