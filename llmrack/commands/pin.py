"""`llmrack pin …`: which releases hosts shall have."""

from __future__ import annotations

from difflib import unified_diff
from pathlib import Path
from typing import TYPE_CHECKING

import click
from pydantic import TypeAdapter, ValidationError

from llmrack.commands.declared import inventory_option
from llmrack.commands.errors import could_not_ask
from llmrack.stack.checks.ollama_host_checks import CHECKS_DIGESTS, OLDEST, version_numbers
from llmrack.stack.ollama.pinning import NotPinned, PinnedFile
from llmrack.stack.settings import Url, Version

if TYPE_CHECKING:
    from llmrack.stack.fleet import Host


@click.group()
def pin() -> None:
    """Which releases the hosts shall have."""


@pin.command()
@inventory_option
@click.argument("version")
@click.option("--mirror", metavar="URL", help="Ask this server alone, not ollama_mirror or GitHub.")
def ollama(inventory: str, version: str, mirror: str | None) -> None:
    """Write VERSION of Ollama, with the checksums of its archives, into group_data.

    The checksums are those of the release's own sha256sum.txt. Everything else in the file stays as
    it is. Exit code: 0 done, 1 it could not be written, 2 nobody could be asked.
    """
    # The requests need httpx, which costs 0.2 s to import.
    from llmrack.observe.providers.ollama_release import (
        NotAsked,
        declared_hosts,
        elsewhere,
        fetch_checksums,
        sources,
        write_pin,
    )

    version = version.removeprefix("v")
    _check(version, mirror)
    hosts: tuple[Host, ...] = ()
    try:
        with could_not_ask(NotAsked):
            if mirror is None:
                hosts = declared_hosts(inventory, Path.cwd())
            checksums = fetch_checksums(version, (mirror,) if mirror else sources(hosts))
            change = write_pin(version, checksums, (Path(), Path(inventory).parent))
    except (NotPinned, OSError) as error:
        raise click.ClickException(f"nothing was changed: {error}") from None
    click.echo(_shown(change), nl=False)
    if change.after == change.before:
        click.echo(f"{change.name} names Ollama {version} already, with these checksums")
    else:
        click.echo(f"checksums from {checksums.source}; a deploy brings the release to the hosts")
    for file, digest in change.left_out:
        click.echo(
            f"{change.name} has no digest for {file}, which hosts with cards of AMD's need: add "
            f'"{file}": "{digest}" to ollama_sha256 if you have any',
            err=True,
        )
    for host in elsewhere(hosts, change):
        click.echo(f"{host} is given another ollama_version elsewhere, which counts", err=True)


def _check(version: str, mirror: str | None) -> None:
    """Refuse an impossible version or mirror, and a version with a hole that attackers use."""
    try:
        TypeAdapter(Version).validate_python(version)
    except ValidationError:
        raise click.ClickException(f"{version!r} is no version; write it as 0.34.4") from None
    try:
        TypeAdapter(Url | None).validate_python(mirror)
    except ValidationError:
        raise click.ClickException("--mirror is no http:// or https:// URL") from None
    if version_numbers(version) < OLDEST:
        raise click.ClickException(
            f"Ollama {version} has a hole that lets a model file run code (CVE-2026-7482); choose "
            "0.32.10 or later"
        )
    if version_numbers(version) < CHECKS_DIGESTS:
        click.echo(
            f"warning: Ollama {version} can skip the digest check of what it pulls; choose 0.32.10 "
            "or later",
            err=True,
        )


def _shown(change: PinnedFile) -> str:
    before, after = (
        text.decode("utf-8", "replace").splitlines(keepends=True)
        for text in (change.before, change.after)
    )
    return "".join(unified_diff(before, after, change.name, change.name))
