"""The requests of the proof, through the host's own connection."""

from __future__ import annotations

from llmrack.remote.operations import say
from llmrack.remote.rack import Rack
from llmrack.remote.tunnel import http_client
from llmrack.secrets.dotenv import MASTER_KEY
from llmrack.stack.fleet import (
    GATEWAY_GROUP,
    deployments,
    engine_models,
    engine_url,
    gateway_url,
    is_engine,
)
from llmrack.verify.engine import prove_engine
from llmrack.verify.gateway import prove_gateway
from llmrack.verify.results import Result


def ask(rack: Rack) -> list[Result]:
    """What the host's Ollama and gateway answer; each check is one result."""
    declared, host = rack.run.declared, rack.host
    results = []
    if is_engine(declared.stack, host):
        with http_client(rack.pyinfra_host, engine_url(host, host)) as client:
            models = engine_models(declared.stack, host)
            results += prove_engine(client, host.name, host.settings.ollama_version, models)
    if GATEWAY_GROUP in host.groups:
        with http_client(rack.pyinfra_host, gateway_url(host)) as client:
            results += prove_gateway(
                client,
                declared.stack,
                host.name,
                deployments(declared.stack, declared.fleet, host),
                declared.secrets[MASTER_KEY],
                lambda text: say(rack, f"asking: {text.removeprefix(host.name)[2:]}"),
            )
    return results
