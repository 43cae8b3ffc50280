"""Which hosts a deploy refuses, and what it says of those that it accepts."""

from __future__ import annotations

from pathlib import Path

from llmrack.components import listeners
from llmrack.components.gateway import gateway
from llmrack.components.gpu import gpu
from llmrack.components.gpu.gpus import line
from llmrack.components.system import system
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
    if rack.arch not in host.settings.ollama_sha256:
        return [f"ollama_sha256 has no digest for {rack.arch}: add the one of that archive"]
    upload = host.settings.ollama_archive
    if upload and not Path(upload).is_file():
        return [f"there is no file {upload}: correct ollama_archive"]
    if rack.is_engine:
        wrong = gpu.refusal(
            host, seen, instances(run.declared.stack, host)
        ) or system.unusable_folder(host, seen)
        if wrong:
            return [wrong]
    return (
        listeners.taken(run.declared.stack, run.fleet, host, seen)
        or wrong_files(run.folder, rack.all_changes, run.local_files)
        or unfit_disks(rack)
    )


def notes(rack: Rack) -> list[str]:
    """What should be known of it: its GPUs, limits without effect, the way of its keys."""
    texts = []
    if rack.is_engine:
        texts = [line(rack.gpus), *system.not_enforced(rack.host, rack.seen)]
    if GATEWAY_GROUP in rack.host.groups:
        texts.append(gateway.way_of_keys(rack.systemd))
    return texts


def _not_in_bundle(host: Host, seen: Seen) -> list[str]:
    """Why the host cannot be deployed from its bundle; empty when it can, or when it has none."""
    system = target(seen)
    if host.bundle is None or system in host.bundle.index.targets:
        return []
    return [
        f"{host.bundle.folder} is for {', '.join(host.bundle.index.targets)}, and this is "
        f"{system}: run `llmrack bundle create` with --for {system}, too"
    ]
