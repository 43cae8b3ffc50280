"""`llmrack import`: a backup's files put back."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Also in place of files that differ.")
def import_(file: Path, force: bool) -> None:
    """Put what `llmrack export` wrote to FILE into this folder: all of it, or nothing."""
    from llmrack import __version__
    from llmrack.backup.archive import BackupError
    from llmrack.backup.restore import restore

    try:
        done = restore(file, Path.cwd(), force)
    except BackupError as error:
        raise click.ClickException(str(error)) from None
    for name in done.written:
        click.echo(f"restored {name}")
    made = done.manifest
    click.echo(f"{len(done.written)} files restored, {len(done.same)} were there; of {made.made}")
    if made.llmrack != __version__:
        click.echo(
            f"it was made by llmrack {made.llmrack}, and this is {__version__}: look at "
            "llmrack plan before you deploy",
            err=True,
        )
