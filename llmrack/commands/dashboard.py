"""`llmrack dashboard`: a picture of the fleet for Grafana."""

from __future__ import annotations

import json

import click

from llmrack.commands.declared import inventory_option, read_site
from llmrack.components.monitor.dashboard import dashboard as generate


@click.command()
@inventory_option
def dashboard(inventory: str) -> None:
    """Print a Grafana dashboard with the fleet's names; touches no host.

    Grafana takes it under Dashboards, New, Import; its data source is a Prometheus of the group
    monitor.
    """
    site = read_site(inventory)
    if not site.fleet.monitors:
        click.echo("no host is in the group 'monitor', so nobody gathers what it shows", err=True)
    click.echo(json.dumps(generate(site.stack, site.fleet), indent=2))
