"""Which hosts a deploy refuses, and what it says of those that it accepts."""

from __future__ import annotations

from llmrack.components import listeners
from llmrack.components.engines import ENGINES, engines_on
from llmrack.components.gateway import gateway
from llmrack.components.gpu import gpu
from llmrack.components.gpu.gpus import line
from llmrack.components.old_services import services as old_services
from llmrack.components.system import sandbox, system
from llmrack.deploy.before.disk_space import unfit_disks
from llmrack.deploy.before.local_files import wrong_files
from llmrack.deploy.run.rack import Rack
from llmrack.resources.look import Seen
from llmrack.resources.packages import target
from llmrack.stack.engines import instances
from llmrack.stack.fleet import GATEWAY_GROUP, Host


def refusals(rack: Rack) -> list[str]:
    """Why nothing may be changed there; empty when all is well."""
    host, seen, run = rack.host, rack.seen, rack.run
    reasons = _not_in_bundle(host, seen) or system.refusals(host, seen)
    if reasons:
        return reasons
    if _has_units(rack) and (wrong := sandbox.without_namespaces(seen)):
        return [wrong]
    stack = run.declared.stack
    for engine in ENGINES.values():
        if lack := engine.lacks_release(host, rack.arch):
            return [lack]
    if rack.is_engine and (wrong := gpu.refusal(host, seen, instances(stack, host))):
        return [wrong]
    for engine in engines_on(stack, host):
        if wrong := engine.unusable(host, seen):
            return [wrong]
    return (
        old_services.refusals(host.settings, seen)
        or listeners.taken(stack, run.fleet, host, seen)
        or wrong_files(run.folder, rack.all_changes, run.local_files)
        or unfit_disks(rack)
    )


def notes(rack: Rack) -> list[str]:
    """What should be known of it: its GPUs, what has no effect there, the way of its keys."""
    texts = []
    if rack.is_engine:
        texts = [line(rack.gpus)]
    for engine in engines_on(rack.run.declared.stack, rack.host):
        texts += engine.notes(rack.host, rack.seen)
    if _has_units(rack):
        texts += sandbox.notes(rack.seen)
    if GATEWAY_GROUP in rack.host.groups:
        texts.append(gateway.way_of_keys(rack.systemd))
    return [*texts, *old_services.notes(rack.host.settings, rack.seen)]


def _has_units(rack: Rack) -> bool:
    """Whether units of the service user run there."""
    return rack.is_engine or GATEWAY_GROUP in rack.host.groups


def _not_in_bundle(host: Host, seen: Seen) -> list[str]:
    """Why the host cannot be deployed from its bundle; empty when it can, or when it has none."""
    system = target(seen)
    if host.bundle is None or system in host.bundle.index.targets:
        return []
    return [
        f"{host.bundle.folder} is for {', '.join(host.bundle.index.targets)}, and this is "
        f"{system}: run `llmrack bundle create` with --for {system}, too"
    ]
