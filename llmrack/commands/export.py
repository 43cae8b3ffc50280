"""`llmrack export`: one file with everything that a fresh clone lacks to deploy the same again."""

from __future__ import annotations

import json
from datetime import timedelta
from functools import partial
from pathlib import Path

import click

from llmrack.commands.declared import inventory_option, read_site
from llmrack.site.site import Site


@click.command()
@inventory_option
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--with-env", is_flag=True, help="Also the keys in .env, in clear.")
def export(inventory: str, file: Path, with_env: bool) -> None:
    """Write a backup to FILE (.tar, .tar.gz), 0600.

    The declarations, pins, hashes of issued keys, files of models and authorities, the vault as it
    is, and what the gateways were asked, added up.
    """
    from llmrack.backup.archive import BackupError, write_backup
    from llmrack.backup.contents import contents

    site, folder = read_site(inventory), Path.cwd()
    names = contents(site, inventory, folder, with_env)
    try:
        made = write_backup(file, names, folder, _usage(site, inventory))
    except BackupError as error:
        raise click.ClickException(str(error)) from None
    size = sum(member.size for member in made.files.values())
    click.echo(f"{file}: {len(made.files)} files, {size / 1e6:,.1f} MB")
    env_file = site.places.env_file
    if with_env:
        click.echo(f"the keys of {env_file.name} are in it in clear: keep it like them", err=True)
    elif env_file.is_file():
        click.echo(f"not in it: {env_file} (--with-env, or llmrack secrets import)", err=True)
    if site.places.has_vault:
        click.echo("your identity, which opens the vault, is not in it: keep a copy", err=True)


def _usage(site: Site, inventory: str) -> str | None:
    """The gateways' usage since their logs begin, as JSON; None if there is no gateway."""
    from llmrack.commands.logged import gateways
    from llmrack.observe.requests.on_host import ask_log
    from llmrack.observe.requests.usage import ask_usages
    from llmrack.observe.requests.usage_print import as_json

    if not site.fleet.gateways:
        return None
    days = max(host.settings.gateway_log_days for host in site.fleet.gateways)
    by = ("model", "provider", "key", "day")
    usages = ask_usages(partial(ask_log, gateways(inventory)), timedelta(days=days), by)
    for host, why in usages["model"].unreached.items():
        click.echo(f"{host}: what it was asked is not in it: {why}", err=True)
    return json.dumps(
        {group: json.loads(as_json(usage)) for group, usage in usages.items()}, indent=1
    )
