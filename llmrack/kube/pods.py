"""Asks the gateway's pods for what they have noted: their logs of requests, and their health."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from types import ModuleType
from typing import Any, TypeVar

from llmrack.hosts.streams import on_this_machine
from llmrack.kube.cluster import Cluster
from llmrack.kube.form import Object
from llmrack.kube.kubectl import Kubectl, KubectlError
from llmrack.kube.objects.gateway import CONTAINER, HEALTH, PYTHON, WRITABLE, part
from llmrack.observe.providers.gateway_health import GatewayHealth, parsed
from llmrack.observe.requests.on_host import BEGIN, DEADLINE, program
from llmrack.observe.requests.tail import Follow, Line, lines_of
from llmrack.shipped.host import tail as host_tail
from llmrack.shipped.host.tail import Filters

T = TypeVar("T")
# Prints the time and the file with the health of servers.
_HEALTH = f"import time; print(time.time()); print(open({HEALTH!r}).read())"


def gateway_pods(cluster: Cluster, kubectl: Kubectl) -> list[Object]:
    """The pods of the gateway, by their names. Raises KubectlError."""
    found = kubectl.objects("pods", part(cluster).chosen)
    return sorted(found, key=lambda pod: str(pod["metadata"]["name"]))


def running(cluster: Cluster, kubectl: Kubectl) -> list[str]:
    """The names of the gateway's pods that run. Raises KubectlError, also if none does."""
    names = [
        pod["metadata"]["name"]
        for pod in gateway_pods(cluster, kubectl)
        if pod["status"].get("phase") == "Running"
    ]
    if not names:
        raise KubectlError("no pod of the gateway runs; see `llmrack kube status`")
    return names


def at_once(names: list[str], question: Callable[[str], T]) -> dict[str, T | KubectlError]:
    """What each pod answers to a question, by its name; or why it does not."""

    def asked(name: str) -> T | KubectlError:
        try:
            return question(name)
        except KubectlError as error:
            return error

    with ThreadPoolExecutor(max_workers=16) as pool:
        return dict(zip(names, pool.map(asked, names), strict=True))


def ask_log(
    cluster: Cluster, kubectl: Kubectl, module: ModuleType, **asked: object
) -> tuple[dict[str, Any], dict[str, str]]:
    """What a program of shipped/host prints in each pod; see ``observe.requests.on_host``.

    Raises KubectlError if no pod runs.
    """
    text = program(module, folder=WRITABLE, **asked)

    def question(name: str) -> Any:  # noqa: ANN401  (JSON)
        words = _python(name, BEGIN)
        return json.loads(kubectl.run(*words, given=f"{text}\n", seconds=DEADLINE).stdout)

    answers = at_once(running(cluster, kubectl), question)
    failed = {name: str(why) for name, why in answers.items() if isinstance(why, KubectlError)}
    return {name: answers[name] for name in answers if name not in failed}, failed


def followed(cluster: Cluster, kubectl: Kubectl, filters: Filters) -> dict[str, Follow]:
    """How the log of each pod is followed. Raises KubectlError if none runs."""
    return {name: partial(_follow, kubectl, filters, name) for name in running(cluster, kubectl)}


def health(kubectl: Kubectl, name: str) -> GatewayHealth:
    """The state of servers as the gateway in a pod sees it. Raises KubectlError."""
    said = kubectl.run(*_python(name, _HEALTH)).stdout
    now, _, content = said.partition("\n")
    return parsed(name, json.loads(content), float(now))


def _follow(
    kubectl: Kubectl, filters: Filters, name: str, since: str | None
) -> Iterator[Line | None]:
    call = program(host_tail, folder=WRITABLE, since=since, filters=filters)
    line = shlex.join(kubectl.command(*_python(name, BEGIN)))
    with closing(on_this_machine(line, together=False)) as stream:
        yield from lines_of(stream, call)


def _python(name: str, text: str) -> tuple[str, ...]:
    return ("exec", "-i", name, f"--container={CONTAINER}", "--", PYTHON, "-I", "-c", text)
