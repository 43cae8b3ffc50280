"""`llmrack kube verify`: prove what is served, and with --drill that failover works."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NoReturn

import click

from llmrack.commands.errors import CouldNotAsk
from llmrack.commands.kube.declared import could_not_ask, reach, say
from llmrack.commands.verify import agreed
from llmrack.kube.cluster import Cluster
from llmrack.kube.kubectl import Kubectl
from llmrack.verify.results import Report


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option("--junit", type=click.Path(dir_okay=False), help="Write a JUnit XML file, too.")
@click.option("--drill", is_flag=True, help="Prove failover: kill pods of engines.")
@click.option("--yes", "-y", is_flag=True, help="With --drill: do not ask first.")
def verify(as_json: bool, junit: str | None, drill: bool, yes: bool) -> None:
    """Prove with real requests that what is declared is what is served.

    Exit code: 0 all proven, 1 something failed, 2 it could not run.
    """
    # The requests need httpx, which costs 0.2 s to import.
    from llmrack.kube.proof import prove
    from llmrack.verify.report import table
    from llmrack.verify.report_json import as_json as json_of

    cluster, kubectl = reach()
    if drill:
        _drill(cluster, kubectl, as_json, junit, yes)
    with could_not_ask():
        report = prove(cluster, kubectl, say)
    click.echo(json_of(report) if as_json else table(report))
    _end(report, junit)


def _drill(
    cluster: Cluster, kubectl: Kubectl, as_json: bool, junit: str | None, yes: bool
) -> NoReturn:
    from llmrack.drills.report import drill_json, drill_table, intention
    from llmrack.kube.drill import planned_drills, run_drills

    with could_not_ask():
        plans = [planned_drills(cluster, kubectl)]
        say(intention(cluster.site.stack, plans))
        if plans[0].drills and not agreed(yes):
            raise CouldNotAsk("nothing was killed")
        report = run_drills(cluster, kubectl, plans[0], say)
    click.echo((drill_json if as_json else drill_table)(report, plans, []))
    _end(report, junit)


def _end(report: Report, junit: str | None) -> NoReturn:
    from llmrack.verify.report import as_junit

    if junit:
        Path(junit).write_text(as_junit(report, []), encoding="utf-8")
    sys.exit(report.exit_code)
