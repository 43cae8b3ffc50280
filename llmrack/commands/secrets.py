"""`llmrack secrets …`: the providers' keys and the gateway's own."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import click

from llmrack.commands.declared import inventory_option, read_places
from llmrack.commands.errors import plain_errors
from llmrack.commands.secret_input import ask
from llmrack.commands.secrets_rotate import rotate_
from llmrack.secrets import audit as trail
from llmrack.secrets import identities, recipients, store, vault
from llmrack.secrets.dotenv import read_env
from llmrack.secrets.editing import edit_values
from llmrack.secrets.places import Places
from llmrack.secrets.sources import everything
from llmrack.secrets.value import Secret


@click.group()
def secrets() -> None:
    """The providers' keys and the gateway's: kept encrypted, tested, rotated, audited."""


secrets.add_command(rotate_)


@secrets.command()
@inventory_option
@click.option("--recipient", "given", multiple=True, metavar="KEY|FILE", help="Who can open it.")
def init(inventory: str, given: tuple[str, ...]) -> None:
    """Make the vault, which is safe to commit.

    It can be opened by the recipients: age or SSH public keys, or files with them. Without any,
    by your own age identity or SSH key; an identity is made for you where you have neither.
    """
    with plain_errors():
        places = read_places(inventory)
        made = None
        chosen = dict(recipients.parse(recipient) for recipient in given)
        if not chosen:
            own_keys = identities.public_keys()
            if not own_keys:
                made, key = identities.generate()
                own_keys = [key]
            chosen = {own_keys[0]: trail.who()}
        store.init(places, chosen)
    if made:
        click.echo(f"made an identity in {made}: keep a copy, nothing else opens the vault")
    click.echo(f"made {places.vault}, which {_count(len(chosen), 'recipient')} can open")


@secrets.command("set")
@inventory_option
@click.argument("name")
def set_(inventory: str, name: str) -> None:
    """Store a value, from a prompt or from standard input, and prove that it was stored."""
    with plain_errors():
        places = read_places(inventory)
        store.set_values(places, {name: ask(name)})
    click.echo(f"{name} is in {places.vault.name}, and decrypts to what was given")
    if os.environ.get(name):
        click.echo(f"note: {name} is set in the environment, too, which is asked first", err=True)


@secrets.command()
@inventory_option
@click.argument("name")
def unset(inventory: str, name: str) -> None:
    """Remove a secret from the vault."""
    with plain_errors():
        places = read_places(inventory)
        store.unset(places, name)
    click.echo(f"{name} is no longer in {places.vault.name}")


@secrets.command()
@inventory_option
def edit(inventory: str) -> None:
    """Edit the vault in $EDITOR; what is decrypted for it stays in memory."""
    with plain_errors():
        changed = edit_values(read_places(inventory))
    click.echo(f"changed: {', '.join(changed)}" if changed else "nothing was changed")


@secrets.command("import")
@inventory_option
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def import_(inventory: str, file: Path) -> None:
    """Take the values of a file like `.env` into the vault; the file is left as it is."""
    with plain_errors():
        places = read_places(inventory)
        values = {name: Secret(value) for name, value in read_env(file).items()}
        real = {name: value for name, value in values.items() if not value.is_placeholder}
        if not real:
            raise click.ClickException(f"{file}: has no values in it; nothing was changed")
        store.set_values(places, real, "import")
    click.echo(f"in {places.vault.name} now: {', '.join(sorted(real))}")
    click.echo(f"the vault is asked before {places.env_file.name}: delete {file} once it works")


@secrets.command()
@inventory_option
@click.argument("names", nargs=-1)
def export(inventory: str, names: tuple[str, ...]) -> None:
    """Print values as NAME=value, for another program: never to a terminal or an open file."""
    with plain_errors():
        places = read_places(inventory)
        _insist_on_closed_output()
        stored = everything(places)
        missing = [name for name in names if name not in stored]
        if missing:
            raise click.ClickException(f"there is no {missing[0]}; there is: {', '.join(stored)}")
        trail.note(places, "export", names or stored)
    for name in names or stored:
        click.echo(f"{name}={stored[name].secret.reveal()}")


def _insist_on_closed_output() -> None:
    mode = os.fstat(sys.stdout.fileno()).st_mode
    if sys.stdout.isatty():
        raise click.ClickException("this would show keys on a terminal: send it to a program")
    if stat.S_ISREG(mode) and mode & 0o077:
        raise click.ClickException("others could read that file: run umask 077 first")


@secrets.group("recipients")
def recipients_() -> None:
    """Who can open the vault."""


@recipients_.command("list")
@inventory_option
def list_recipients(inventory: str) -> None:
    """Print the public keys that the vault is encrypted to, and whose they are."""
    with plain_errors():
        for key, name in vault.read(_vault(read_places(inventory))).recipients.items():
            click.echo(f"{key}  {name}".rstrip())


@recipients_.command("add")
@inventory_option
@click.argument("given", metavar="KEY|FILE")
def add_recipient(inventory: str, given: str) -> None:
    """Let somebody else open the vault, by an age recipient or an SSH public key."""
    with plain_errors():
        places = read_places(inventory)
        key = recipients.add(places, given)
    click.echo(f"{key[:30]}... can open {places.vault.name} now")


@recipients_.command("remove")
@inventory_option
@click.argument("given", metavar="KEY|FILE|NAME")
def remove_recipient(inventory: str, given: str) -> None:
    """Encrypt the vault to the others alone. Who had the keys knows them: rotate them."""
    with plain_errors():
        places = read_places(inventory)
        key = recipients.remove(places, given)
        names = ", ".join(vault.read(places.vault).secrets)
    click.echo(f"{key[:30]}... cannot open {places.vault.name} as it is now")
    if names:
        click.echo(f"old copies can still be opened; rotate: {names}")


@secrets.command()
@inventory_option
@click.option("--verify", is_flag=True, help="Check the chain of entries; exit 1 if it is broken.")
@click.option("--json", "as_json", is_flag=True, help="Print the entries as JSON lines.")
def audit(inventory: str, verify: bool, as_json: bool) -> None:
    """Print who did what to which key; values are never written down."""
    with plain_errors():
        places = read_places(inventory)
        if verify:
            _verify(places)
            return
        for line in trail.lines(places.audit, as_json):
            click.echo(line)


def _verify(places: Places) -> None:
    noted = None
    if places.has_vault and not places.is_sops:
        noted = trail.Mark(*vault.read(places.vault).audit)
    verdict = trail.check(places.audit, noted)
    if verdict.problem:
        click.echo(f"{places.audit.name}: {verdict.problem}", err=True)
        sys.exit(1)
    reach = f", and the vault's note of line {noted.lines} fits" if noted else ""
    click.echo(
        f"{places.audit.name}: {_count(verdict.lines, 'entry', 'entries')}, a whole chain{reach}"
    )


def _vault(places: Places) -> Path:
    if places.is_sops:
        raise click.ClickException(f"{places.vault}: SOPS knows its recipients, see .sops.yaml")
    return places.vault


def _count(number: int, singular: str, many: str = "") -> str:
    return f"{number} {singular if number == 1 else many or singular + 's'}"
