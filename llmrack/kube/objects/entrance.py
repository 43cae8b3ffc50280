"""How the gateway is reached from outside of the cluster."""

from __future__ import annotations

from llmrack.kube.cluster import Cluster
from llmrack.kube.form import Object
from llmrack.kube.objects.gateway import PORT, part
from llmrack.kube.settings import Ingress, Route


def entrance(cluster: Cluster) -> list[Object]:
    """The Ingress and the HTTPRoute that are declared."""
    gateway = cluster.kube.gateway
    found = []
    if gateway.ingress:
        found.append(_ingress(cluster, gateway.ingress))
    if gateway.route:
        found.append(_route(cluster, gateway.route))
    return found


def _ingress(cluster: Cluster, ingress: Ingress) -> Object:
    object_ = part(cluster).made("networking.k8s.io/v1", "Ingress")
    if ingress.annotations:
        object_["metadata"]["annotations"] = dict(ingress.annotations)
    backend = {"service": {"name": cluster.name, "port": {"name": "http"}}}
    path = {"path": "/", "pathType": "Prefix", "backend": backend}
    spec: Object = {"rules": [{"host": ingress.host, "http": {"paths": [path]}}]}
    if ingress.class_name:
        spec["ingressClassName"] = ingress.class_name
    if ingress.tls_secret:
        spec["tls"] = [{"hosts": [ingress.host], "secretName": ingress.tls_secret}]
    return object_ | {"spec": spec}


def _route(cluster: Cluster, route: Route) -> Object:
    parent = {"name": route.gateway}
    if route.gateway_namespace:
        parent["namespace"] = route.gateway_namespace
    rule = {
        "backendRefs": [{"name": cluster.name, "port": PORT}],
        # 0s: the gateway has its own deadlines, and models may take long.
        "timeouts": {"request": "0s"},
    }
    spec = {"parentRefs": [parent], "hostnames": [route.host], "rules": [rule]}
    return part(cluster).made("gateway.networking.k8s.io/v1", "HTTPRoute") | {"spec": spec}
