"""`llmrack adopt`: an existing LiteLLM, as stack, inventory and vault."""

from __future__ import annotations

import sys
from contextlib import chdir
from pathlib import Path

import click

from llmrack.commands.errors import plain_errors
from llmrack.problems import DeclarationError

NOT_WHOLE, NOTHING_WRITTEN = 1, 2
_file = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("file", type=_file)
@click.option("--env", "env_file", type=_file, help="Values of variables; else .env beside FILE.")
@click.option("--compose", "compose_file", type=_file, help="Else the compose file beside FILE.")
@click.option(
    "--output",
    "-o",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    metavar="FOLDER",
    help="Where the new files go.  [default: this folder]",
)
def adopt(file: Path, env_file: Path | None, compose_file: Path | None, folder: Path) -> None:
    """Take over FILE, the config.yaml of a LiteLLM proxy.

    Writes stack.yaml, inventory and a vault with the keys, and says what became of each line of
    FILE. Changes nothing that exists. Exit code: 0 every name is served as before, 1 some are not
    or the result has mistakes, 2 nothing was written.
    """
    from llmrack.adopt.adopt import NothingServed
    from llmrack.adopt.adopt import adopt as translate
    from llmrack.adopt.source import read_source
    from llmrack.adopt.write import VAULT, insist_on_room, write

    try:
        insist_on_room(folder)
        source = read_source(file, env_file, compose_file)
        adopted = translate(source)
        with plain_errors():
            made = write(adopted, folder, source.name)
    except NothingServed as error:
        for line in error.notes.printed():
            click.echo(line)
        click.echo(f"Error: {error}", err=True)
        sys.exit(NOTHING_WRITTEN)
    except (DeclarationError, click.ClickException) as error:
        text = error.message if isinstance(error, click.ClickException) else str(error)
        click.echo(f"Error: {text}", err=True)
        sys.exit(NOTHING_WRITTEN)
    for name in source.read:
        click.echo(f"read {name}, too")
    for line in adopted.notes.printed():
        click.echo(line)
    for place, names in source.environment.unused().items():
        click.echo(f"{place}: left out: nothing that was taken over uses {', '.join(names)}")
    if made:
        click.echo(f"made an identity in {made}: keep a copy, nothing else opens the vault")
    if adopted.secrets:
        click.echo(f"in the vault {folder / VAULT}: {', '.join(sorted(adopted.secrets))}")
    sound = _is_sound(folder)
    sys.exit(0 if adopted.notes.is_whole and sound else NOT_WHOLE)


def _is_sound(folder: Path) -> bool:
    """Whether ``llmrack check`` finds no mistake in what was written; prints those it finds."""
    from llmrack.adopt.write import INVENTORY
    from llmrack.site.declared import read_inventory

    try:
        # pyinfra looks an inventory up from where it runs.
        with chdir(folder):
            site = read_inventory(INVENTORY, Path())
    except DeclarationError as error:
        for problem in error.problems:
            click.echo(str(problem))
        number = len(error.problems)
        left = "1 mistake is left" if number == 1 else f"{number} mistakes are left"
        click.echo(f"{folder}: {left}")
        return False
    names, providers = len(site.stack.listed), len(site.stack.providers)
    counted = f"{names} name{'s' * (names != 1)} of {providers} provider{'s' * (providers != 1)}"
    click.echo(f"{folder}: {counted}, no mistakes")
    return True
