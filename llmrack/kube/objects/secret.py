"""The Secret with the gateway's keys, of which llmrack owns those that it has."""

from __future__ import annotations

import hashlib
import hmac

from llmrack.kube.cluster import Cluster
from llmrack.kube.form import Object, base64_of
from llmrack.secrets.places import MASTER_KEY


def secret(cluster: Cluster) -> Object:
    """The keys that have a value, in ``data``.

    ``stringData`` would leave a key that is no longer declared in the cluster for ever, and give
    llmrack no ownership of it (kubernetes/kubernetes#89938, #123843; seen with 1.37.2).
    """
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        # Without llmrack's labels: the Secret may be somebody else's, and stays when llmrack goes.
        "metadata": {"name": cluster.kube.secret, "namespace": cluster.namespace},
        "type": "Opaque",
        "data": {name: base64_of(value.reveal()) for name, value in cluster.secrets.items()},
    }


def without_values(secret_: Object) -> Object:
    """The same Secret without its data, so that nothing is overwritten if somebody applies it.

    An annotation has the names of its keys.
    """
    shown = {key: value for key, value in secret_.items() if key != "data"}
    note = {"annotations": {"llmrack/left-out": ", ".join(secret_["data"])}}
    return shown | {"metadata": secret_["metadata"] | note}


def key_digest(cluster: Cluster) -> str:
    """A text that changes when a key does; nobody can try keys on it without the master key."""
    master = cluster.secrets.get(MASTER_KEY)
    content = "\0".join(f"{name}={value.reveal()}" for name, value in cluster.secrets.items())
    key = master.reveal().encode() if master else b""
    return hmac.new(key, content.encode(), hashlib.sha256).hexdigest()[:16]
