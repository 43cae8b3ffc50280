"""`llmrack kube chat`: a test chat with any model."""

from __future__ import annotations

from functools import partial

import click

from llmrack.commands.chat import converse, leave_at_interrupt
from llmrack.commands.errors import could_not_ask as cannot_ask
from llmrack.commands.kube.declared import could_not_ask, reach


@click.command()
@click.argument("model")
@click.option("--message", "-m", help="Say this; else what standard input says, or you.")
def chat(model: str, message: str | None) -> None:
    """Talk to MODEL through the gateway, streamed, and see who answered, and how fast.

    Exit code: 0 answered, 1 not answered, 2 it could not be asked.
    """
    from llmrack.kube.proof import gateway_client
    from llmrack.observe.chat import NoChat, insist_on_chat, through_gateway

    leave_at_interrupt()
    cluster, kubectl = reach()
    with could_not_ask(), cannot_ask(NoChat):
        insist_on_chat(cluster.site.stack, model)
        client_of = partial(gateway_client, cluster, kubectl)
        converse(through_gateway(cluster.site, cluster.gateway, model, client_of), message)
