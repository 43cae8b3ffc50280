"""The requests of the proof, through the host's own connection."""

from __future__ import annotations

from shlex import quote

from llmrack.components.monitor.monitor import prometheus_url, targets
from llmrack.components.ollama.ollama import unit
from llmrack.deploy.run.rack import Rack
from llmrack.hosts.commands import run, sh
from llmrack.hosts.tunnel import http_client
from llmrack.resources.change import as_user
from llmrack.secrets.places import MASTER_KEY
from llmrack.stack.deployments import deployments
from llmrack.stack.engines import (
    Instance,
    engine_models,
    instance_name,
    instance_url,
    instances,
)
from llmrack.stack.fleet import GATEWAY_GROUP, MONITOR_GROUP, gateway_url, is_engine
from llmrack.verify.gateway import GatewayAccess, prove_gateway
from llmrack.verify.monitor import prove_monitor
from llmrack.verify.ollama.declared import prove_engine
from llmrack.verify.ollama.residency import (
    COMPUTE,
    SIGNS,
    judge_journal,
    needs_gpu,
    prove_residency,
)
from llmrack.verify.results import Result


def ask(rack: Rack) -> list[Result]:
    """What the host's Ollama and gateway answer; each check is one result."""
    declared, host = rack.run.declared, rack.host
    results = []
    if is_engine(declared.stack, host):
        for instance in instances(host):
            results += _ask_instance(rack, instance)
    if GATEWAY_GROUP in host.groups:
        with http_client(rack.pyinfra_host, gateway_url(host)) as client:
            key, cooldown = declared.secrets[MASTER_KEY], host.settings.gateway_cooldown
            results += prove_gateway(
                GatewayAccess(client, host.name, key, cooldown),
                declared.stack,
                deployments(declared.stack, rack.run.fleet, host),
                lambda text: rack.say(f"asking: {text.removeprefix(host.name)[2:]}"),
            )
    if MONITOR_GROUP in host.groups:
        found = targets(rack.run.fleet, host)
        rack.say(f"asking: Prometheus about its {len(found)} targets")
        with http_client(rack.pyinfra_host, prometheus_url(host)) as client:
            results += prove_monitor(
                client, host.name, {f"{each.job}/{each.host}": each.address for each in found}
            )
    return results


def _ask_instance(rack: Rack, instance: Instance) -> list[Result]:
    stack, host = rack.run.declared.stack, rack.host
    name, models = instance_name(host, instance), engine_models(stack, host)
    with http_client(rack.pyinfra_host, instance_url(host, instance, host)) as client:
        results = prove_engine(
            client,
            host.name,
            name,
            host.settings.ollama_version,
            [model.name for model in models],
        )
        if not any(result.ok for result in results):
            return results
        if needs_gpu(host, instance):
            results.append(judge_journal(host, instance, _journal(rack, instance)))
        results += prove_residency(client, stack, host, instance, lambda text: rack.say(text))
    return results


def _journal(rack: Rack, instance: Instance) -> list[str]:
    """What an instance has said of its cards since its server was started."""
    its = unit(instance.name)
    # Root reads the journal (the service user's part of it is not always a file of its own); only
    # the user's manager knows when the server was started.
    started = as_user(
        rack.home.user,
        f"TZ=UTC systemctl --user show --value -p ExecMainStartTimestamp {its}",
    )
    patterns = " ".join(f"-e {quote(words)}" for words in (COMPUTE, *SIGNS))
    script = (
        f'journalctl -q --no-pager -o cat --since="$({started})" _SYSTEMD_USER_UNIT={its} | '
        f"grep -F {patterns}"
    )
    return run(rack.pyinfra_host, sh(script)).lines
