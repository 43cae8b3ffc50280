"""The state of the instances for Prometheus, read from memory when the page is asked for."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

from prometheus_client.core import REGISTRY, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from .health import Instance, Resting

LABELS = ("instance", "model")


class RoutingCollector(Collector):
    """Metrics of each instance (``model`` is empty), and of its models that were asked for."""

    def __init__(self, instances: Mapping[str, Instance]) -> None:
        self._instances = instances

    def collect(self) -> Iterator[Metric]:
        """The metrics as they are now."""
        aside = GaugeMetricFamily(
            "llmrack_instance_put_aside", "1 while it is not asked, since it failed.", labels=LABELS
        )
        since = GaugeMetricFamily(
            "llmrack_instance_put_aside_seconds", "For how long it is.", labels=LABELS
        )
        running = GaugeMetricFamily(
            "llmrack_running_requests", "Requests that wait for it or are answered.", labels=LABELS
        )
        # A copy of the models: LiteLLM makes the page in a thread of its own.
        for name, instance in self._instances.items():
            known: list[tuple[str, Resting]] = [("", instance)]
            for upstream, model in list(instance.models.items()):
                known.append((upstream, model))
                running.add_metric((name, upstream), model.running)
            for upstream, resting in known:
                rest = resting.rest
                aside.add_metric((name, upstream), 1 if rest else 0)
                seconds = time.monotonic() - rest.since if rest else 0
                since.add_metric((name, upstream), seconds)
        yield from (aside, since, running)


def register(instances: Mapping[str, Instance]) -> None:
    """Add the metrics to the page that LiteLLM serves at /metrics."""
    REGISTRY.register(RoutingCollector(instances))
