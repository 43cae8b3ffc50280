"""`llmrack adopt`: an existing LiteLLM, or what serves models on a host, as llmrack declares it."""

from __future__ import annotations

import sys
from contextlib import chdir
from pathlib import Path
from typing import NoReturn

import click
from pyinfra.api.exceptions import PyinfraError

from llmrack.commands.errors import plain_errors
from llmrack.problems import DeclarationError

NOT_WHOLE, NOTHING_WRITTEN = 1, 2
STACK, INVENTORY = "stack.yaml", "inventory"
_file = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("source", metavar="FILE|HOST")
@click.option("--env", "env_file", type=_file, help="Values of variables; else .env beside FILE.")
@click.option("--compose", "compose_file", type=_file, help="Else the compose file beside FILE.")
@click.option(
    "--inventory", "-i", metavar="FILE", help="What may have HOST.  [default: inventory, if there]"
)
@click.option(
    "--output",
    "-o",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Where the new files go.  [default: this folder; those for HOST are printed]",
)
def adopt(
    source: str,
    env_file: Path | None,
    compose_file: Path | None,
    inventory: str | None,
    folder: Path | None,
) -> None:
    """Take over FILE, the config.yaml of a LiteLLM proxy, or what serves models on HOST.

    Of FILE it writes stack.yaml, inventory and a vault with the keys, and says what became of each
    line. HOST is one of the inventory, or a name that ssh knows, also as USER@NAME. It looks at the
    host, and proposes an inventory and a stack.yaml. Changes nothing that exists. Exit code: 0
    every name is served as before, 1 some are not or the result has mistakes, 2 nothing was
    written.
    """
    file = Path(source)
    if file.is_dir():
        raise click.UsageError(f"{source} is a folder: name the config.yaml in it, or a host")
    if file.exists():
        _adopt_file(file, env_file, compose_file, folder or Path())
    if env_file or compose_file:
        raise click.UsageError(f"{source} is no file, and --env and --compose belong to one")
    _adopt_host(source, inventory, folder)


def _adopt_host(word: str, inventory: str | None, folder: Path | None) -> NoReturn:
    from llmrack.adopt.host.look import look_at
    from llmrack.adopt.host.proposal import propose, summary
    from llmrack.adopt.host.target import find_target
    from llmrack.adopt.host.write import inventory_text, stack_of, write
    from llmrack.adopt.write import insist_on_room

    known = inventory or (INVENTORY if Path(INVENTORY).is_file() else "")
    try:
        if folder:
            insist_on_room(folder)
        target = find_target(word, known, Path.cwd())
        try:
            seen = look_at(target.host)
        except PyinfraError as error:
            way_out = "" if target.inventory else " (it is no file, and in no inventory)"
            raise click.ClickException(f"{target.name}{way_out}: {error}") from None
        for line in summary(target.name, seen):
            click.echo(line)
        proposal = propose(target.name, seen)
        for line in proposal.notes.printed():
            click.echo(line)
        if seen.llmrack and not seen.ollamas:
            sys.exit(0)
        if folder:
            with plain_errors():
                names = write(target, proposal, folder)
            click.echo(f"{folder}: wrote {' and '.join(names)}")
        else:
            click.echo(f"\nIn {INVENTORY}:\n\n{inventory_text(target, proposal.settings)}")
            if proposal.stack:
                click.echo(f"In {STACK}:\n\n{stack_of(proposal)}")
    except (FileNotFoundError, DeclarationError, click.ClickException) as error:
        text = error.message if isinstance(error, click.ClickException) else str(error)
        click.echo(f"Error: {text}", err=True)
        sys.exit(NOTHING_WRITTEN)
    if proposal.before:
        click.echo(f"Before the deploy, as root on {target.name}:\n")
        for command in proposal.before:
            click.echo(f"    {command}")
    sound = _is_sound(folder) if folder and proposal.stack else True
    sys.exit(0 if proposal.notes.is_whole and sound else NOT_WHOLE)


def _adopt_file(
    file: Path, env_file: Path | None, compose_file: Path | None, folder: Path
) -> NoReturn:
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
