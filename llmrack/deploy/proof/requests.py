"""The requests of the proof, through the host's own connection."""

from __future__ import annotations

from collections.abc import Sequence
from shlex import quote

from llmrack.components.engines import unit_of
from llmrack.components.monitor.monitor import prometheus_url, targets
from llmrack.deploy.run.rack import Rack
from llmrack.hosts.commands import run, sh
from llmrack.hosts.tunnel import http_client
from llmrack.resources.change import as_user
from llmrack.secrets.places import MASTER_KEY
from llmrack.stack.deployments import deployments
from llmrack.stack.engines import instances
from llmrack.stack.fleet import GATEWAY_GROUP, MONITOR_GROUP, gateway_url
from llmrack.stack.instances import Instance, instance_url
from llmrack.verify.engines import proof_of
from llmrack.verify.gateway import GatewayAccess, prove_gateway
from llmrack.verify.monitor import prove_monitor
from llmrack.verify.results import Result


def ask(rack: Rack) -> list[Result]:
    """What the host's instances and gateway answer; each check is one result."""
    declared, host = rack.run.declared, rack.host
    results = []
    for instance in instances(declared.stack, host):
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

    def journal(words: Sequence[str]) -> list[str]:
        return _journal(rack, unit_of(instance), words)

    with http_client(rack.pyinfra_host, instance_url(host, instance, host)) as client:
        return proof_of(client, stack, host, instance).proof(journal, rack.say)


def _journal(rack: Rack, unit: str, words: Sequence[str]) -> list[str]:
    """The lines of a unit's journal since it was started that have one of these words."""
    # Root reads the journal (the service user's part of it is not always a file of its own); only
    # the user's manager knows when the server was started.
    started = as_user(
        rack.home.user,
        f"TZ=UTC systemctl --user show --value -p ExecMainStartTimestamp {unit}",
    )
    patterns = " ".join(f"-e {quote(each)}" for each in words)
    script = (
        f'journalctl -q --no-pager -o cat --since="$({started})" _SYSTEMD_USER_UNIT={unit} | '
        f"grep -F {patterns}"
    )
    return run(rack.pyinfra_host, sh(script)).lines
