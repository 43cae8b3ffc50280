"""What the Prometheus Operator and Grafana's sidecar read, where a cluster has them."""

from __future__ import annotations

import json

import yaml

from llmrack.components.monitor.dashboard import dashboard
from llmrack.components.monitor.monitor import metrics_key
from llmrack.components.render import verbatim
from llmrack.kube.cluster import Cluster
from llmrack.kube.form import Object, base64_of
from llmrack.kube.objects.gateway import part
from llmrack.secrets.places import MASTER_KEY

# Its one key, in a Secret of its own: Prometheus needs no other.
KEY = "key"
# The label by which Grafana's sidecar finds dashboards (the default of its chart).
DASHBOARD_LABEL = {"grafana_dashboard": "1"}
# Without the slash, LiteLLM leads there.
METRICS = "/metrics/"


def monitoring(cluster: Cluster) -> list[Object]:
    """The scraping with its key, the rules and the dashboard, if they are declared."""
    if not cluster.kube.monitoring:
        return []
    return [_key(cluster), _service_monitor(cluster), _rules(cluster), _dashboard(cluster)]


def _name(cluster: Cluster) -> str:
    return f"{cluster.name}-metrics"


def _key(cluster: Cluster) -> Object:
    master = cluster.secrets.get(MASTER_KEY)
    value = metrics_key(master).reveal() if master else ""
    object_ = part(cluster).made("v1", "Secret", _name(cluster))
    return object_ | {"type": "Opaque", "data": {KEY: base64_of(value)}}


def _service_monitor(cluster: Cluster) -> Object:
    endpoint = {
        "port": "http",
        "path": METRICS,
        "interval": "15s",
        "authorization": {"credentials": {"name": _name(cluster), "key": KEY}},
        # What a gateway says of an instance is about that one.
        "honorLabels": True,
        "relabelings": [
            {"targetLabel": "job", "replacement": "gateway"},
            {"targetLabel": "host", "replacement": cluster.name},
        ],
    }
    object_ = part(cluster).made("monitoring.coreos.com/v1", "ServiceMonitor")
    object_["metadata"]["labels"] |= cluster.kube.monitoring_labels
    chosen = {"matchLabels": part(cluster).selector}
    return object_ | {"spec": {"selector": chosen, "endpoints": [endpoint]}}


def _rules(cluster: Cluster) -> Object:
    object_ = part(cluster).made("monitoring.coreos.com/v1", "PrometheusRule")
    object_["metadata"]["labels"] |= cluster.kube.monitoring_labels
    return object_ | {"spec": yaml.safe_load(verbatim("kube/rules.yml"))}


def _dashboard(cluster: Cluster) -> Object:
    object_ = part(cluster).made("v1", "ConfigMap", f"{cluster.name}-dashboard")
    object_["metadata"]["labels"] |= DASHBOARD_LABEL
    drawn = dashboard(cluster.site.stack, cluster.site.fleet)
    return object_ | {"data": {"llmrack.json": json.dumps(drawn, indent=1) + "\n"}}
