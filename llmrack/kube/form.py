"""What all objects have in common: labels, names, and the order of their parts."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import Any

# An object in the form of Kubernetes' API.
Object = dict[str, Any]

MANAGER = "llmrack"
# The recommended labels (https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/).
PART_OF = "app.kubernetes.io/part-of"
NAME = "app.kubernetes.io/name"
INSTANCE = "app.kubernetes.io/instance"
MANAGED_BY = "app.kubernetes.io/managed-by"

# What Pod Security Standards call restricted.
POD_SECURITY: Object = {
    "runAsNonRoot": True,
    "runAsUser": 10001,
    "runAsGroup": 10001,
    "fsGroup": 10001,
    "fsGroupChangePolicy": "OnRootMismatch",
    "seccompProfile": {"type": "RuntimeDefault"},
}
CONTAINER_SECURITY: Object = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}


@dataclass(frozen=True)
class Part:
    """A part of a stack, whose objects have their labels in common.

    + stack: its gateway's name, since a namespace may have several
    + component: what its pods run
    + name: of the Deployment or StatefulSet
    """

    stack: str
    namespace: str
    component: str
    name: str

    @property
    def labels(self) -> dict[str, str]:
        """The labels of an object, and of the pods that it makes."""
        return self.selector | {MANAGED_BY: MANAGER}

    @property
    def selector(self) -> dict[str, str]:
        """The labels by which pods are found; they never change."""
        return {NAME: self.component, INSTANCE: self.name, PART_OF: self.stack}

    @property
    def chosen(self) -> str:
        """The same as kubectl takes it."""
        return ",".join(f"{key}={value}" for key, value in self.selector.items())

    def made(self, api: str, kind: str, name: str = "") -> Object:
        """The head of an object; its other parts are added to it.

        + name: default: the part's
        """
        about = {"name": name or self.name, "namespace": self.namespace, "labels": self.labels}
        return {"apiVersion": api, "kind": kind, "metadata": about}


def digest(*parts: object) -> str:
    """Twelve characters that stand for a content."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def base64_of(value: str) -> str:
    """A value as it stands in ``data`` of a Secret."""
    return base64.b64encode(value.encode()).decode()


def identity(thing: Object) -> str:
    """The name of an object in messages: ``Deployment ml/llmrack-gateway``."""
    about = thing["metadata"]
    place = f"{about['namespace']}/" if "namespace" in about else ""
    return f"{thing['kind']} {place}{about['name']}"
