"""`llmrack bundle …`: everything a deploy needs, for hosts without a way to the internet."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from llmrack.bundle.targets import TARGETS, Target
from llmrack.commands.declared import inventory_option
from llmrack.problems import DeclarationError
from llmrack.site.declared import read_inventory
from llmrack.stack.bundle import INDEX, load_bundle


@click.group("bundle")
def bundle() -> None:
    """Everything a deploy needs in one folder, for hosts without a way to the internet."""


@bundle.command()
@click.argument("folder", type=click.Path(path_type=Path))
@inventory_option
@click.option(
    "--for",
    "names",
    multiple=True,
    required=True,
    type=click.Choice(TARGETS),
    help="What the hosts run; may be repeated.",
)
@click.option(
    "--registry",
    envvar="LLMRACK_REGISTRY",
    show_envvar=True,
    metavar="URL",
    help="Take models from here instead of https://registry.ollama.ai.",
)
def create(folder: Path, inventory: str, names: tuple[str, ...], registry: str | None) -> None:
    """Gather in FOLDER what a deploy of the inventory fetches; run again, it goes on.

    Touches no host. Exit code: 0 the bundle is whole, 1 it is not.
    """
    # Downloads need httpx, which costs 0.2 s to import.
    from llmrack.bundle.create import create as create_bundle
    from llmrack.bundle.fetch import BundleError

    targets = [Target(name) for name in TARGETS if name in names]
    try:
        declared = read_inventory(inventory, Path.cwd(), with_bundle=False)
        gathered = create_bundle(declared, targets, folder, registry, click.echo)
    except (FileNotFoundError, DeclarationError, BundleError) as error:
        raise click.ClickException(str(error)) from None
    files = gathered.index.files.values()
    size = sum(file.size for file in files)
    click.echo(f"{folder}: {len(files)} files, {size / 1e6:,.0f} MB; deploy with bundle = {folder}")


@bundle.command()
@click.argument("folder", type=click.Path(path_type=Path))
def check(folder: Path) -> None:
    """Compare every file in FOLDER with its checksum.

    Exit code: 0 all are right, 1 something is damaged, missing or not part of the bundle.
    """
    try:
        gathered = load_bundle(folder, str(folder))
    except DeclarationError as error:
        raise click.ClickException(str(error)) from None
    findings = [f"{name} {why}" for name in gathered.index.files if (why := gathered.damage(name))]
    present = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    extra = present - set(gathered.index.files) - {INDEX}
    findings += [f"{name} is not part of the bundle" for name in sorted(extra)]
    for finding in findings:
        click.echo(f"{folder}/{finding}")
    if findings:
        click.echo("run `llmrack bundle create` again where there is internet: it mends them")
        sys.exit(1)
    click.echo(f"{folder}: {len(gathered.index.files)} files, all as they were made")
