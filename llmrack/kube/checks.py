"""Mistakes that show only when ``kube.yaml`` and the stack are seen together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from llmrack.kube.engine import PodEngine
from llmrack.kube.engines import engine_of
from llmrack.kube.settings import FILE, Kube
from llmrack.problems import Problem
from llmrack.site.site import Site
from llmrack.stack.fleet import Host
from llmrack.stack.settings import Settings
from llmrack.stack.yaml_lines import Lines

# Settings that mean in a cluster what they mean on hosts.
EFFECTIVE = (
    *("stack_file", "env_file", "secrets_file", "proxy", "no_proxy"),
    *("gateway_drain", "gateway_cooldown", "gateway_log_days"),
    *("ollama_port", "ollama_environment", "ollama_extra_environment"),
    *("ollama_priority", "ollama_weight"),
)


def problems_of(
    kube: Kube, site: Site, pods: Mapping[str, Sequence[Host]], lines: Lines
) -> list[Problem]:
    """Every such mistake.

    + pods: of each engine
    + lines: the 1-based line of each key path of ``kube.yaml``
    """
    return [
        *_without_effect(kube, lines),
        *(
            Problem(FILE, f"engines.{name}", cause, way_out, lines.get(("engines", name), 0))
            for name, of_engine in pods.items()
            for cause, way_out in _of_engine(site, name, of_engine, engine_of(kube.engines[name]))
        ),
    ]


def _without_effect(kube: Kube, lines: Lines) -> Iterator[Problem]:
    """Settings that mean something on hosts alone."""
    for name in kube.settings:
        if name in Settings.model_fields and name not in EFFECTIVE:
            cause = "has no effect in a cluster"
            place = lines.get(("settings", name), 0)
            yield Problem(FILE, f"settings.{name}", cause, "take it out", place)


def _of_engine(
    site: Site, name: str, pods: Sequence[Host], engine: PodEngine
) -> Iterator[tuple[str, str]]:
    known = Counter(host.name for host in site.fleet.hosts)
    if same := [pod.name for pod in pods if known[pod.name] > 1]:
        yield f"a host of the inventory is called {same[0]}, as a pod is", "rename one of them"
        return
    found = list(engine.problems(site, pods[0]))
    yield from found
    served = any(provider.instances(pods[0]) for provider in site.stack.providers.values())
    if not served and not found:
        cause = f"no provider of kind {engine.kind} has the group {name!r}"
        yield cause, "name the group in stack.yaml, or take the engine out"
