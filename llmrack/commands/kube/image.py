"""`llmrack kube image`: the image of the gateway's pods."""

from __future__ import annotations

from pathlib import Path

import click

from llmrack.commands.errors import plain_errors
from llmrack.kube.image import BASE, NotBuilt, build, write_recipe


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--base", default=BASE, metavar="IMAGE", help="With python3, by its digest.")
@click.option(
    "--build", "name", metavar="NAME", help="Build it, too, by podman, buildah or docker."
)
def image(folder: Path, base: str, name: str | None) -> None:
    """Write into FOLDER what the gateway's image is built from: a Containerfile and lock files."""
    with plain_errors():
        try:
            for path in write_recipe(folder, base):
                click.echo(str(path))
            if name:
                builder = build(folder, name)
                click.echo(
                    f"{name} is built; push it, and name its digest in kube.yaml ({builder})"
                )
        except NotBuilt as error:
            raise click.ClickException(str(error)) from None
