"""What the commands of `llmrack kube` begin with: what is declared, and a way to the cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from llmrack.commands.errors import CouldNotAsk, plain_errors
from llmrack.kube.cluster import Cluster, read_cluster
from llmrack.kube.given import read_given
from llmrack.kube.kubectl import Kubectl, KubectlError, kubectl
from llmrack.kube.refusals import Refused


def read() -> Cluster:
    """Everything that is declared. Raises ClickException with every mistake in it."""
    with plain_errors():
        return read_cluster(Path.cwd())


def reach(with_keys: bool = True) -> tuple[Cluster, Kubectl]:
    """The same, with the keys of a Secret that somebody else fills, and a way to the cluster.

    + with_keys: whether keys are needed

    Raises ClickException, and CouldNotAsk.
    """
    cluster = read()
    with could_not_ask(), plain_errors():
        way = kubectl(cluster.kube)
        if with_keys and cluster.kube.secret_is_given:
            cluster = read_cluster(Path.cwd(), read_given(cluster, way))
    return cluster, way


def say(text: str) -> None:
    """Tell what happens, beside the result."""
    click.echo(text, err=True)


@contextmanager
def could_not_ask() -> Iterator[None]:
    """End with exit code 2 where the cluster cannot be asked, or takes nothing."""
    try:
        yield
    except (KubectlError, Refused) as error:
        raise CouldNotAsk(str(error)) from None
