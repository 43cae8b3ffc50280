"""The keys of a Secret that somebody else fills, such as External Secrets or Sealed Secrets."""

from __future__ import annotations

import base64

from llmrack.kube.cluster import Cluster
from llmrack.kube.kubectl import Kubectl, KubectlError
from llmrack.secrets.value import Secret


def read_given(cluster: Cluster, kubectl: Kubectl) -> dict[str, Secret]:
    """Its values but for placeholders. Raises KubectlError if there is no such Secret."""
    name = cluster.kube.secret
    found = kubectl.get("secret", name)
    if found is None:
        raise KubectlError(
            f"there is no Secret {cluster.namespace}/{name}, which kube.yaml says is given; "
            "have it made, or take secret_is_given out"
        )
    values = {
        key: Secret(base64.b64decode(value).decode(errors="replace"))
        for key, value in (found.get("data") or {}).items()
    }
    return {key: value for key, value in values.items() if not value.is_placeholder}
