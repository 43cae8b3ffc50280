"""`llmrack curl`: a line to try the gateway with."""

from __future__ import annotations

import json
import os
import shlex

import click

from llmrack.commands.declared import inventory_option, read_site
from llmrack.secrets.places import MASTER_KEY
from llmrack.secrets.sources import ENVIRONMENT
from llmrack.site.site import Site
from llmrack.stack.fleet import bracketed
from llmrack.stack.settings import is_loopback
from llmrack.stack.types import is_wildcard


@click.command()
@inventory_option
def curl(inventory: str) -> None:
    """Print a curl line that asks the first gateway; the key stays where it is kept."""
    site = read_site(inventory)
    gateway = site.fleet.gateways[0]
    settings = gateway.settings
    stack = site.stack
    chat = [
        name
        for name, model in stack.models.items()
        if "chat" in model.capabilities and stack.served_by(name) and not is_wildcard(name)
    ]
    if not chat:
        raise click.ClickException("no chat model is served; declare one under models")
    if is_loopback(settings.gateway_bind):
        address = "127.0.0.1"
        click.echo(
            f"# {gateway.name} listens on loopback; first, in another terminal:\n"
            f"#   ssh -NL {settings.gateway_port}:127.0.0.1:{settings.gateway_port} "
            f"{gateway.address}"
        )
    else:
        address = gateway.address
    hello = [{"role": "user", "content": "Say hello."}]
    # A bound, since a model may never end by itself.
    body = json.dumps({"model": chat[0], "max_tokens": 256, "messages": hello})
    # The key goes from where it is kept to curl's standard input: no process list shows it.
    click.echo(
        f"{_line_with_key(site)} |\n"
        f"  sed -n 's/^{MASTER_KEY}=\\(.*\\)/header = \"Authorization: Bearer \\1\"/p' |\n"
        "  curl -sS -K - "
        f"http://{bracketed(address)}:{settings.gateway_port}/v1/chat/completions \\\n"
        f"  -H 'Content-Type: application/json' -d {shlex.quote(body)}"
    )


def _line_with_key(site: Site) -> str:
    """A command that prints the line NAME=value, among others."""
    kept = site.kept.get(MASTER_KEY)
    if kept and kept.source == ENVIRONMENT:
        return f"printenv {MASTER_KEY} | sed 's/^/{MASTER_KEY}=/'"
    if site.places.has_vault:
        return f"llmrack secrets export {MASTER_KEY}"
    return f"cat {shlex.quote(os.path.relpath(site.places.env_file))}"
