"""Proves engines and gateway in a cluster by the requests that prove those on hosts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

import httpx

from llmrack.components.monitor.monitor import metrics_key
from llmrack.kube.cluster import Cluster, engine_name
from llmrack.kube.engines import engine_of
from llmrack.kube.forward import forwarded
from llmrack.kube.kubectl import Kubectl, KubectlError
from llmrack.kube.objects.engine import SERVER
from llmrack.kube.objects.gateway import PORT
from llmrack.kube.objects.monitoring import METRICS
from llmrack.secrets.places import MASTER_KEY
from llmrack.stack.deployments import deployments
from llmrack.stack.engines import instances
from llmrack.stack.fleet import Fleet, Host
from llmrack.verify.engines import proof_of
from llmrack.verify.gateway import GatewayAccess, prove_gateway
from llmrack.verify.results import Report, Result

Say = Callable[[str], None]


def prove(cluster: Cluster, kubectl: Kubectl, say: Say) -> Report:
    """Ask every pod of the engines, then the gateway, for everything that is declared.

    Raises KubectlError.
    """
    started = datetime.now().astimezone()
    results: list[Result] = []
    there = present(cluster, kubectl)
    for host in there:
        try:
            results += prove_pod(cluster, kubectl, host, say)
        except KubectlError as error:
            results.append(Result(host.name, "pod", "reached", False, host.name, detail=str(error)))
    stack, fleet = cluster.site.stack, with_pods(cluster, there)
    with gateway_client(cluster, kubectl) as client:
        key, cooldown = cluster.secrets[MASTER_KEY], cluster.settings.gateway_cooldown
        results += prove_gateway(
            GatewayAccess(client, cluster.name, key, cooldown),
            stack,
            deployments(stack, fleet, cluster.gateway),
            say,
        )
        if cluster.kube.monitoring:
            results.append(_scraped(cluster, client))
    return Report(tuple(results), started)


def _scraped(cluster: Cluster, client: httpx.Client) -> Result:
    """Whether metrics are answered to Prometheus' key."""
    key = metrics_key(cluster.secrets[MASTER_KEY])
    try:
        answer = client.get(METRICS, headers={"Authorization": f"Bearer {key.reveal()}"})
        detail = "" if answer.status_code == 200 else f"it answers {answer.status_code}"
    except httpx.HTTPError as error:
        detail = f"no answer ({type(error).__name__})"
    return Result(cluster.name, "gateway", "metrics", not detail, detail=detail)


def present(cluster: Cluster, kubectl: Kubectl) -> list[Host]:
    """The pods of the engines that are wanted: all, unless something else scales a set.

    Raises KubectlError.
    """
    found: list[Host] = []
    for name, engine in cluster.kube.engines.items():
        hosts = cluster.pods_of(name)
        if engine.replicas is None:
            there = kubectl.get("statefulset", name) or {"spec": {"replicas": 0}}
            hosts = hosts[: there["spec"]["replicas"]]
        found += hosts
    return found


def with_pods(cluster: Cluster, there: Sequence[Host]) -> Fleet:
    """The fleet with these pods of its engines, and no others."""
    pods = {pod.name for name in cluster.kube.engines for pod in cluster.pods_of(name)}
    missing = pods - {pod.name for pod in there}
    return Fleet(tuple(host for host in cluster.site.fleet.hosts if host.name not in missing))


@contextmanager
def gateway_client(cluster: Cluster, kubectl: Kubectl) -> Iterator[httpx.Client]:
    """A client for the gateway's Service, which stays with one of its pods. Raises KubectlError."""
    with _client(kubectl, f"service/{cluster.name}", PORT) as client:
        yield client


@contextmanager
def pod_client(cluster: Cluster, kubectl: Kubectl, pod: Host) -> Iterator[httpx.Client]:
    """A client for a pod of an engine. Raises KubectlError."""
    port = engine_of(cluster.kube.engines[engine_name(pod)]).port(pod)
    with _client(kubectl, f"pod/{pod.name}", port) as client:
        yield client


@contextmanager
def _client(kubectl: Kubectl, thing: str, port: int) -> Iterator[httpx.Client]:
    with (
        forwarded(kubectl, thing, port) as url,
        httpx.Client(base_url=url, trust_env=False) as client,
    ):
        yield client


def prove_pod(cluster: Cluster, kubectl: Kubectl, host: Host, say: Say) -> list[Result]:
    """Ask one pod of an engine for everything that it is to have. Raises KubectlError."""
    (instance,) = instances(cluster.site.stack, host)

    def journal(words: Sequence[str]) -> list[str]:
        said = kubectl.run("logs", host.name, f"--container={SERVER}", seconds=120).stdout
        return [line for line in said.splitlines() if any(word in line for word in words)]

    with pod_client(cluster, kubectl, host) as client:
        return proof_of(client, cluster.site.stack, host, instance).proof(journal, say)
