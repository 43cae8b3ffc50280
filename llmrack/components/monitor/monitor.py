"""Monitoring: Prometheus on the hosts in the group ``monitor``, exporters on every host.

If no host is in that group, nothing of it is installed on any host.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from llmrack import shipped
from llmrack.components.engines import engine_of
from llmrack.components.gateway.routing import authority_file
from llmrack.components.monitor.prometheus import SERVICE, Credentials, PrometheusConfiguration
from llmrack.components.render import record, render, verbatim
from llmrack.resources.change import Resource
from llmrack.resources.files import Directory, File
from llmrack.resources.packages import Packages
from llmrack.resources.units import Unit
from llmrack.secrets.places import MASTER_KEY
from llmrack.secrets.value import Secret
from llmrack.site.site import Site
from llmrack.stack.engines import instances, is_engine
from llmrack.stack.fleet import (
    EXPORTER_PORT,
    GATEWAY_GROUP,
    MONITOR_GROUP,
    Fleet,
    Host,
    bracketed,
    own_address,
)
from llmrack.stack.home import Home
from llmrack.stack.instances import Instance, instance_name, instance_url, needs_gpu
from llmrack.stack.schema import Stack

EXPORTER = "prometheus-node-exporter.service"
METRICS_UNIT = "llmrack-metrics.service"
GUARD = "llmrack-monitor-guard.service"
SYSTEM_UNITS = "/etc/systemd/system"
FOLDER = "/etc/llmrack/prometheus"
KEY_FILE = "/etc/llmrack/prometheus.key"
# Figures that the node exporter serves beside its own. The folder is outside of the service user's
# home, because other users may be kept out of that.
METRICS = "/var/lib/llmrack/metrics"


@dataclass(frozen=True)
class Target:
    """An address that Prometheus asks.

    + job: ``gateway`` or ``node``
    + host: its name
    + address: as seen from the host that asks, with a port
    """

    job: str
    host: str
    address: str


def targets(fleet: Fleet, monitor: Host) -> list[Target]:
    """The addresses that Prometheus on ``monitor`` asks."""

    def at(host: Host, bind: str, port: int) -> str:
        address = own_address(bind) if host.name == monitor.name else host.address
        return f"{bracketed(address)}:{port}"

    return [
        *(
            Target(
                "gateway",
                gateway.name,
                at(gateway, gateway.settings.gateway_bind, gateway.settings.gateway_port),
            )
            for gateway in fleet.gateways
        ),
        *(Target("node", host.name, at(host, "127.0.0.1", EXPORTER_PORT)) for host in fleet.hosts),
    ]


def metrics_key(master: Secret) -> Secret:
    """The key for a gateway's /metrics; shipped/gateway/auth_rules.py derives the same."""
    digest = hmac.new(master.reveal().encode(), b"llmrack /metrics", hashlib.sha256)
    return Secret(digest.hexdigest())


def resources(site: Site, host: Host, nonce: str) -> list[Resource]:
    """The resources of a host in a fleet with a monitor; needs root. See ``by_component``."""
    if not site.fleet.monitors:
        return []
    parts = [*_exporter(site.fleet, host), *_metrics(site.stack, host)]
    if MONITOR_GROUP in host.groups:
        parts += _prometheus(site, host, nonce)
    return parts


def _exporter(fleet: Fleet, host: Host) -> list[Resource]:
    """The node exporter; its settings come before its package, which starts it."""
    home = host.home
    others = [monitor for monitor in fleet.monitors if monitor.name != host.name]
    guard = _guard(host, others) if others else []
    drop_in = File(
        f"{SYSTEM_UNITS}/{EXPORTER}.d/llmrack.conf",
        render(
            "monitor/exporter.conf.j2",
            guard=GUARD if others else "",
            listen=f":{EXPORTER_PORT}" if others else f"127.0.0.1:{EXPORTER_PORT}",
            metrics=METRICS,
            record=record("/run/llmrack", EXPORTER, f"{SYSTEM_UNITS}/{EXPORTER}.d/llmrack.conf"),
        ),
    )
    return [
        *guard,
        Directory(METRICS, home.user, by_root=True),
        Directory(f"{SYSTEM_UNITS}/{EXPORTER}.d", "root"),
        drop_in,
        Packages(
            ("prometheus-node-exporter", "python3"), "Exporter's packages", host.bundle_folder
        ),
        Unit(
            EXPORTER,
            None,
            depends=(drop_in.name,),
            ready=f"http://127.0.0.1:{EXPORTER_PORT}/",
        ),
    ]


def _guard(host: Host, monitors: list[Host]) -> list[Resource]:
    rules = File(
        "/etc/llmrack/monitor/guard.nft",
        render(
            "monitor/guard.nft.j2",
            port=EXPORTER_PORT,
            monitors=sorted(monitor.address for monitor in monitors),
        ),
    )
    path = f"{SYSTEM_UNITS}/{GUARD}"
    unit = File(
        path,
        render(
            f"monitor/{GUARD}.j2",
            rules=rules.path,
            record=record("/run/llmrack", GUARD, path, rules.path),
        ),
    )
    return [
        Packages(("nftables",), "Packages of the exporter's guard", host.bundle_folder),
        Directory("/etc/llmrack/monitor", "root"),
        rules,
        unit,
        Unit(GUARD, None, depends=(rules.name, unit.name)),
    ]


def _metrics(stack: Stack, host: Host) -> list[Resource]:
    """The unit that writes the figures which only the service user can read, if there are any."""
    if not is_engine(stack, host) and GATEWAY_GROUP not in host.groups:
        return []
    home = host.home
    text = shipped.program("llmrack.shipped.host.metrics")
    program = File(f"{home.config}/host_metrics.py", text, home.user)
    declared = File(f"{home.config}/metrics.json", _declared(stack, host, home), home.user)
    path = f"{home.units}/{METRICS_UNIT}"
    unit = File(
        path,
        render(
            f"monitor/{METRICS_UNIT}.j2",
            program=program.path,
            declared=declared.path,
            metrics=METRICS,
            record=record("%t/llmrack", "%n", path, program.path, declared.path),
        ),
        home.user,
    )
    depends = (unit.name, program.name, declared.name)
    return [program, declared, unit, Unit(METRICS_UNIT, home.user, depends)]


def _declared(stack: Stack, host: Host, home: Home) -> str:
    """``metrics.json``, which host_metrics.py reads."""
    is_gateway = GATEWAY_GROUP in host.groups
    current = f"{home.gateway}/current"
    declared = {
        "instances": [_instance(stack, host, instance) for instance in instances(stack, host)],
        "keys": f"{current}/keys.json" if is_gateway else None,
        "certificates": _certificates(stack, current) if is_gateway else [],
    }
    return json.dumps(declared, indent=1) + "\n"


def _instance(stack: Stack, host: Host, instance: Instance) -> dict[str, Any]:
    shares = {}
    for model in engine_of(instance).models(stack, host):
        # A model that may be split lies on cards as far as there is room.
        split = any(stack.models[name].gpu_split for name in model.public)
        shares[model.name] = 0.01 if split else 1
    return {
        "name": instance_name(host, instance),
        "url": instance_url(host, instance, host),
        "parallel": instance.parallel,
        "gpu_share": shares if needs_gpu(host, instance) else {},
    }


def _certificates(stack: Stack, release: str) -> list[dict[str, Any]]:
    certificates = []
    for name, provider in stack.providers.items():
        remote = provider.remote
        if remote is None or not (provider.enabled and remote.tls_verify):
            continue
        parts = urlsplit(remote.base)
        if parts.scheme == "https":
            authority = f"{release}/{authority_file(name)}" if remote.tls_ca else None
            place = {"host": parts.hostname, "port": parts.port or 443}
            certificates.append({"provider": name, **place, "authority": authority})
    return certificates


def _prometheus(site: Site, host: Host, nonce: str) -> list[Resource]:
    settings = host.settings
    config = PrometheusConfiguration(
        FOLDER,
        (
            ("prometheus.yml", configuration(site.fleet, host)),
            ("rules.yml", verbatim("monitor/rules.yml")),
        ),
        restarts=(f"File {SYSTEM_UNITS}/{SERVICE}.d/llmrack.conf",),
    )
    drop_in = File(
        f"{SYSTEM_UNITS}/{SERVICE}.d/llmrack.conf",
        render(
            "monitor/prometheus.conf.j2",
            folder=FOLDER,
            retention=settings.monitor_retention,
            bind=bracketed(settings.monitor_bind),
            port=settings.monitor_port,
            record=record(
                "/run/llmrack",
                SERVICE,
                f"{SYSTEM_UNITS}/{SERVICE}.d/llmrack.conf",
                *(f"{FOLDER}/{name}" for name, _ in config.files),
            ),
        ),
    )
    resources: list[Resource] = [
        Directory(FOLDER, "root"),
        Directory(f"{SYSTEM_UNITS}/{SERVICE}.d", "root"),
        drop_in,
        Packages(("prometheus",), "Prometheus' package", host.bundle_folder),
    ]
    if MASTER_KEY in site.secrets:
        resources.append(Credentials(KEY_FILE, metrics_key(site.secrets[MASTER_KEY]), nonce))
    ready = f"{prometheus_url(host)}/-/ready"
    return [*resources, config, Unit(SERVICE, None, (drop_in.name,), ready, deadline=300)]


def configuration(fleet: Fleet, host: Host) -> str:
    """Prometheus' own prometheus.yml on ``host``."""
    asked = targets(fleet, host)
    jobs = [
        # LiteLLM sends /metrics there.
        {"name": "gateway", "path": "/metrics/", "key": KEY_FILE},
        {"name": "node", "path": "", "key": ""},
    ]
    return render(
        "monitor/prometheus.yml.j2",
        jobs=[
            {**job, "targets": [target for target in asked if target.job == job["name"]]}
            for job in jobs
        ],
    )


def prometheus_url(host: Host) -> str:
    """Where ``host`` itself reaches its Prometheus."""
    address = own_address(host.settings.monitor_bind)
    return f"http://{bracketed(address)}:{host.settings.monitor_port}"
