"""The group of the commands."""

from __future__ import annotations

import click

from llmrack.commands.kube.apply import apply
from llmrack.commands.kube.chat import chat
from llmrack.commands.kube.image import image
from llmrack.commands.kube.remove import remove
from llmrack.commands.kube.render import diff, render
from llmrack.commands.kube.requests import tail, usage
from llmrack.commands.kube.status import status
from llmrack.commands.kube.verify import verify


@click.group()
def kube() -> None:
    """The stack in a Kubernetes cluster, as kube.yaml says (docs/kubernetes.md)."""


for command in (apply, chat, diff, image, remove, render, status, tail, usage, verify):
    kube.add_command(command)
