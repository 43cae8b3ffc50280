"""The command line: every command stands in a file of its own in llmrack/commands."""

from __future__ import annotations

import click

from llmrack import __version__
from llmrack.commands.adopt import adopt
from llmrack.commands.bundle import bundle
from llmrack.commands.chat import chat
from llmrack.commands.check import check
from llmrack.commands.client import client
from llmrack.commands.curl import curl
from llmrack.commands.dashboard import dashboard
from llmrack.commands.export import export
from llmrack.commands.graph import graph
from llmrack.commands.import_ import import_
from llmrack.commands.keys import keys
from llmrack.commands.kube.group import kube
from llmrack.commands.logs import logs
from llmrack.commands.models import models
from llmrack.commands.pin import pin
from llmrack.commands.plan import plan
from llmrack.commands.releases import releases
from llmrack.commands.report import report
from llmrack.commands.rollback import rollback
from llmrack.commands.schema import schema
from llmrack.commands.secrets import secrets
from llmrack.commands.secrets_list import list_
from llmrack.commands.secrets_test import test
from llmrack.commands.status import status
from llmrack.commands.tail import tail
from llmrack.commands.usage import usage
from llmrack.commands.verify import verify
from llmrack.hosts.guard import print_all
from llmrack_lab.cli import lab


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="llmrack")
def main() -> None:
    """From bare Linux boxes with GPUs to a proven LLM service.

    \b
    Deploy:  pyinfra inventory deploy.py
    Verify:  llmrack verify
    """
    print_all()


for command in (
    *(adopt, bundle, chat, check, client, curl, dashboard, export, graph, import_, keys, kube, lab),
    *(
        logs,
        models,
        pin,
        plan,
        releases,
        report,
        rollback,
        schema,
        secrets,
        status,
        tail,
        usage,
        verify,
    ),
):
    main.add_command(command)
secrets.add_command(list_)
secrets.add_command(test)
