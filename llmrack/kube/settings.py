"""The shape of ``kube.yaml``: where in a cluster the stack is put, and on which hardware."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints

from llmrack.stack.types import Closed

FILE = "kube.yaml"

# RFC 1123, as Kubernetes names most objects.
ObjectName = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", max_length=63)
]
# Shorter, since pods and claims of a StatefulSet add to it.
EngineName = Annotated[
    str, StringConstraints(pattern=r"^[a-z]([a-z0-9-]*[a-z0-9])?$", max_length=40)
]
LabelKey = Annotated[
    str,
    StringConstraints(
        pattern=r"^([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$",
        max_length=316,
    ),
]
LabelValue = Annotated[
    str, StringConstraints(pattern=r"^([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)?$", max_length=63)
]


def _pinned(value: str) -> str:
    if not re.search(r"@sha256:[0-9a-f]{64}$", value):
        raise ValueError(
            "is not pinned, and what a tag means can change; name the image with its digest, as in "
            "registry.example.org/name:1.2.3@sha256:0123…"
        )
    return value


# A name with its registry, by digest.
Image = Annotated[
    str,
    AfterValidator(_pinned),
    StringConstraints(pattern=r"^[a-z0-9][A-Za-z0-9._:/-]*(@sha256:[0-9a-f]*)?$", max_length=300),
]
# Kubernetes' quantities that are used here (apimachinery pkg/api/resource).
Bytes = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,8}(Ki|Mi|Gi|Ti|k|M|G|T)$")]
Cpu = Annotated[str, StringConstraints(pattern=r"^([1-9][0-9]{0,5}m|[1-9][0-9]{0,3}(\.[0-9])?)$")]


class Toleration(Closed):
    """A taint of nodes that pods tolerate."""

    key: LabelKey | None = Field(None, description="Key of the taint. Default: every key.")
    operator: Literal["Exists", "Equal"] = Field("Exists", description="As Kubernetes has it.")
    value: LabelValue | None = Field(None, description="Value of the taint, with Equal.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        None, description="Effect of the taint. Default: every effect."
    )


class GpuKind(Closed):
    """Nodes with GPUs of one kind, and how pods ask for them."""

    resource: LabelKey = Field(
        "nvidia.com/gpu", description="The resource that the device plugin offers."
    )
    node_labels: dict[LabelKey, LabelValue] = Field(
        default_factory=dict,
        description="Labels of nodes with such cards.",
        examples=[{"nvidia.com/gpu.product": "NVIDIA-L4"}],
    )
    tolerations: tuple[Toleration, ...] = Field(
        (), description="Taints of these nodes.", examples=[[{"key": "nvidia.com/gpu"}]]
    )
    runtime_class: ObjectName | None = Field(
        None, description="Runtime class of pods with such cards.", examples=["nvidia"]
    )


class Gpus(Closed):
    """The GPUs of each pod of an engine."""

    kind: str = Field(description="One of the names under 'gpus'.", examples=["l4"])
    count: int = Field(1, ge=1, le=64, description="Cards of each pod.")


class Engine(Closed):
    """Pods that run the models of the providers whose group has the engine's name."""

    image: Image = Field(
        description="Its image, by its digest; if a tag names a version, that is proven.",
        examples=["registry.example.org/engine:1.2.3@sha256:" + "0" * 64],
    )
    replicas: int | None = Field(
        None,
        ge=1,
        le=100,
        description="Number of pods. Leave it out if something else scales them.",
        examples=[2],
    )
    most: int | None = Field(
        None,
        ge=1,
        le=100,
        description="With something else that scales them: the most pods that gateways ask.",
        examples=[4],
    )
    gpus: Gpus | None = Field(None, description="Default: none.", examples=[{"kind": "l4"}])
    cpu: Cpu = Field("2", description="CPU that a pod asks for.")
    memory: Bytes = Field("8Gi", description="Memory that a pod asks for, and its limit.")
    storage: Bytes = Field("100Gi", description="Size of each pod's claim for models.")
    storage_class: ObjectName | None = Field(
        None, description="Default: the cluster's default class."
    )


class Ingress(Closed):
    """A name under which the gateway is reached from outside."""

    host: str = Field(
        pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", max_length=253, examples=["llm.example.org"]
    )
    class_name: ObjectName | None = Field(
        None, description="Class of the ingress controller. Default: the cluster's default."
    )
    tls_secret: ObjectName | None = Field(
        None, description="The Secret with the certificate. Default: no TLS here."
    )
    annotations: dict[LabelKey, str] = Field(default_factory=dict, description="For a controller.")


class Route(Closed):
    """The same with the Gateway API."""

    host: str = Field(
        pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", max_length=253, examples=["llm.example.org"]
    )
    gateway: ObjectName = Field(description="Name of the Gateway.", examples=["public"])
    gateway_namespace: ObjectName | None = Field(
        None, description="Its namespace. Default: that of the stack."
    )


class Gateway(Closed):
    """The pods that run LiteLLM."""

    name: ObjectName = Field("llmrack-gateway", description="Name of the Deployment and Service.")
    image: Image = Field(
        description="The image that `llmrack kube image` describes, by its digest.",
        examples=["registry.example.org/llmrack-gateway@sha256:" + "0" * 64],
    )
    replicas: int | None = Field(
        2, ge=1, le=100, description="Number of pods. null if something else scales them."
    )
    cpu: Cpu = Field("1", description="CPU that a pod asks for.")
    memory: Bytes = Field("2Gi", description="Memory that a pod asks for, and its limit.")
    ingress: Ingress | None = Field(None, description="An Ingress in front of it.")
    route: Route | None = Field(None, description="An HTTPRoute in front of it.")
    from_namespaces: tuple[ObjectName, ...] | None = Field(
        None,
        description="Namespaces whose pods may ask it, besides its own and that of the route's "
        "Gateway. An ingress controller's and Prometheus' must be named. Default: all.",
    )


class Kube(Closed):
    """Everything in ``kube.yaml``."""

    context: str | None = Field(
        None, description="kubectl's context. Default: its current one.", examples=["home"]
    )
    namespace: ObjectName = Field("llmrack", description="Where all objects are.", examples=["ml"])
    secret: ObjectName = Field(
        "llmrack-keys",
        description="The Secret with the keys. llmrack adds keys to it, and leaves others alone.",
    )
    secret_is_given: bool = Field(
        False,
        description="Whether somebody else fills the Secret (External Secrets, Sealed Secrets); "
        "llmrack reads it then, and never writes it.",
    )
    pull_secrets: tuple[ObjectName, ...] = Field(
        (), description="Secrets for registries, which are there already."
    )
    gateway: Gateway = Field(description="The gateway.")
    engines: dict[EngineName, Engine] = Field(
        default_factory=dict,
        description="Engines by the groups that providers name: `gpu` unless they say another.",
        examples=[{"gpu": {"replicas": 2, "gpus": {"kind": "l4"}}}],
    )
    gpus: dict[EngineName, GpuKind] = Field(
        default_factory=dict, description="Kinds of GPUs.", examples=[{"l4": {}}]
    )
    monitoring: bool = Field(
        False,
        description="A ServiceMonitor, rules and the dashboard, for the Prometheus Operator.",
    )
    monitoring_labels: dict[LabelKey, LabelValue] = Field(
        default_factory=dict,
        description="Labels by which your Prometheus chooses monitors and rules: kube-prometheus-"
        "stack those with the name of its release.",
        examples=[{"release": "prometheus"}],
    )
    inventory: str | None = Field(
        None,
        description="An inventory whose hosts run models, too; its gateways are not used.",
        examples=["inventory"],
    )
    settings: dict[str, Any] = Field(
        default_factory=dict,
        description="Settings as in group_data, such as gateway_cooldown.",
        examples=[{"gateway_cooldown": 11}],
    )
