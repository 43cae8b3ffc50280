"""`llmrack lab kube …`: a real cluster in the lab's network."""

from __future__ import annotations

import os
import time
from pathlib import Path

import click

from llmrack_lab.base import ensure_base
from llmrack_lab.kube.builder import build as build_image
from llmrack_lab.kube.cluster import Cluster
from llmrack_lab.kube.programs import are_built, ensure_programs, version
from llmrack_lab.kube.standins import add, add_ollama
from llmrack_lab.lab import Lab
from llmrack_lab.needs import require_root
from llmrack_lab.shell import Progress

ROOT = Path(".lab")


@click.group()
def kube() -> None:
    """A real Kubernetes cluster of one node, beside the lab's hosts and stand-ins."""


@kube.command()
@click.option("--gpus", type=int, metavar="M", help="Pretended GPUs of its node.")
@click.option("--subnet", help="The lab's IPv4 network, as `llmrack lab up` takes it.")
@click.pass_obj
def up(name: str, gpus: int | None, subnet: str | None) -> None:
    """Start the cluster, and the lab's stand-ins; what runs is kept.

    Its programs are built once, which takes minutes.
    """
    require_root()
    lab, progress = Lab(name, ROOT, subnet), _progress(name)
    cluster = Cluster(lab)
    started = time.monotonic()
    cluster.up(progress)
    if gpus is not None:
        cluster.set_gpus(gpus, progress)
    click.echo(f"Kubernetes {version()} runs ({time.monotonic() - started:.0f} s)")
    click.echo(f"Ollama's image: {add_ollama(cluster, lab, progress)}")
    click.echo(f"export KUBECONFIG={cluster.config}")


@kube.command()
@click.pass_obj
def down(name: str) -> None:
    """Remove the cluster and everything in it; hosts and stand-ins stay."""
    require_root()
    Cluster(Lab(name, ROOT)).down()
    click.echo("the cluster is gone")


@kube.command(context_settings={"ignore_unknown_options": True})
@click.argument("words", metavar="COMMAND...", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_obj
def run(name: str, words: tuple[str, ...]) -> None:
    """Run a command beside the cluster: it reaches Services, and stand-ins by their names."""
    require_root()
    command = Cluster(Lab(name, ROOT)).beside(*words)
    os.execvp(command[0], command)  # noqa: S606  (no shell)


@kube.command()
def programs() -> None:
    """Build the cluster's programs, if they are not there."""
    if not are_built(ROOT):
        ROOT.mkdir(exist_ok=True)
        ensure_programs(ROOT, _progress("kube"))
    click.echo(f"Kubernetes {version()} is built")


@kube.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("image", metavar="NAME:TAG")
@click.pass_obj
def build(name: str, folder: Path, image: str) -> None:
    """Build the Containerfile in FOLDER on the lab's base, for the cluster's pods.

    Prints its reference by digest.
    """
    require_root()
    lab, progress = Lab(name, ROOT), _progress(name)
    base = ensure_base(ROOT.resolve(), progress)
    built = build_image(folder, ROOT.resolve(), base, progress)
    click.echo(add(Cluster(lab), lab, image, built, progress))


def _progress(name: str) -> Progress:
    started = time.monotonic()

    def tell(message: str) -> None:
        spent = time.monotonic() - started
        click.echo(f"lab {name} {spent:5.1f} s  {message}", err=True)

    return tell
