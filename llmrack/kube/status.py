"""What runs in a cluster, in the form of `llmrack status`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from time import perf_counter

import httpx

from llmrack.kube.cluster import Cluster, engine_name
from llmrack.kube.engine import Answered
from llmrack.kube.engines import engine_of
from llmrack.kube.form import Object
from llmrack.kube.kubectl import Kubectl, KubectlError
from llmrack.kube.objects.gateway import PORT
from llmrack.kube.pods import at_once, gateway_pods, health
from llmrack.kube.proof import pod_client, present
from llmrack.kube.rollout import is_loading, is_ready, why_not_ready
from llmrack.observe.providers.gateway_health import GatewayHealth
from llmrack.observe.status.server_status import ServerStatus, Status
from llmrack.stack.fleet import Host


def status_of(cluster: Cluster, kubectl: Kubectl) -> Status:
    """Ask for every pod of the gateway and of the engines, and how the gateway sees providers.

    Raises KubectlError.
    """
    gateways = gateway_pods(cluster, kubectl)
    seen = at_once(
        [pod["metadata"]["name"] for pod in gateways if is_ready(pod)],
        lambda name: health(kubectl, name),
    )
    views = [view for view in seen.values() if isinstance(view, GatewayHealth)]
    hosts = present(cluster, kubectl)
    engines = at_once([host.name for host in hosts], lambda name: kubectl.get("pod", name))
    servers = [_gateway(cluster, pod) for pod in gateways] or [_no_gateway(cluster)]
    for host in hosts:
        servers.append(_engine(cluster, kubectl, host, engines[host.name], views))
    servers += _elsewhere(cluster, views)
    return Status(tuple(servers))


def _gateway(cluster: Cluster, pod: Object) -> ServerStatus:
    return ServerStatus(
        pod["metadata"]["name"],
        "gateway",
        pod["spec"].get("nodeName"),
        f"http://{cluster.name}.{cluster.namespace}.svc:{PORT}",
        True,
        None,
        "ok" if is_ready(pod) else "trouble",
        _why(pod),
        version=None,
        checked=datetime.now(UTC),
        latency=None,
    )


def _no_gateway(cluster: Cluster) -> ServerStatus:
    url, why = f"http://{cluster.name}.{cluster.namespace}.svc:{PORT}", "it has no pods"
    return ServerStatus(
        *(cluster.name, "gateway", None, url, True, None, "trouble"),
        f"{why}; run: llmrack kube apply",
        version=None,
        checked=datetime.now(UTC),
        latency=None,
    )


def _engine(
    cluster: Cluster,
    kubectl: Kubectl,
    host: Host,
    pod: Object | KubectlError | None,
    views: Iterable[GatewayHealth],
) -> ServerStatus:
    """A pod of an engine.

    + views: how the gateway's pods see it
    """
    why, latency, node = "", None, None
    answered: Answered | None = None
    engine = engine_of(cluster.kube.engines[engine_name(host)])
    if isinstance(pod, KubectlError):
        why = str(pod)
    elif pod is None:
        why = "there is no such pod; run: llmrack kube apply"
    else:
        node = pod["spec"].get("nodeName")
        why = "" if is_ready(pod) else _why(pod)
        if is_ready(pod):
            try:
                answered, latency = _asked(cluster, kubectl, host)
            except (KubectlError, httpx.HTTPError, ValueError) as error:
                why = f"it does not answer ({error})"
    why = "; ".join(filter(None, [why, *_rests(host.name, views)]))
    return ServerStatus(
        host.name,
        engine.kind,
        node,
        f"http://{host.address}:{engine.port(host)}",
        True,
        1,
        "trouble" if why else "ok",
        why,
        version=answered.version if answered else None,
        checked=datetime.now(UTC),
        latency=latency,
        loaded=answered.loaded if answered else (),
    )


def _asked(cluster: Cluster, kubectl: Kubectl, pod: Host) -> tuple[Answered, float]:
    """What a server says of itself, and the seconds that it took."""
    engine = engine_of(cluster.kube.engines[engine_name(pod)])
    with pod_client(cluster, kubectl, pod) as client:
        began = perf_counter()
        return engine.ask(client), perf_counter() - began


def _elsewhere(cluster: Cluster, views: list[GatewayHealth]) -> Iterator[ServerStatus]:
    """Providers that run elsewhere, as the gateway's pods see them; nobody else asks them here."""
    for name, provider in cluster.site.stack.providers.items():
        if provider.remote is None or not provider.enabled:
            continue
        rests = list(_rests(name, views))
        known = any(name in view.rests for view in views)
        yield ServerStatus(
            name,
            provider.kind,
            None,
            provider.remote.url or provider.remote.base,
            True,
            provider.priority,
            "trouble" if rests else "ok" if known else "unknown",
            "; ".join(rests) or ("" if known else "no pod of the gateway could tell"),
            version=None,
            checked=datetime.now(UTC),
            latency=None,
        )


def _rests(name: str, views: Iterable[GatewayHealth]) -> Iterator[str]:
    for view in views:
        for rest in view.rests.get(name, ()):
            yield f"{view.gateway}: {rest}"


def _why(pod: Object) -> str:
    restarts = sum(one.get("restartCount", 0) for one in pod["status"].get("containerStatuses", ()))
    reasons = list(why_not_ready(pod))
    if is_loading(pod):
        reasons.append("it loads its models")
    if restarts:
        reasons.append(f"restarted {restarts} time{'s' if restarts > 1 else ''}")
    return "; ".join(reasons)
