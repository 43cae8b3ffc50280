"""The flat settings of a host that ``group_data/`` and the inventory may have, and their types."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from llmrack.problems import nearest
from llmrack.stack.old_services import OldServices
from llmrack.stack.ollama_environment import ExtraName, OllamaEnvironment, Text, unknown_variable
from llmrack.stack.proxy_types import Exemptions, ProxyAddress
from llmrack.stack.removed import unknown
from llmrack.stack.types import SecretName, Sha256


def _address(value: str) -> str:
    try:
        ip_address(value)
    except ValueError:
        raise ValueError("is no IP address") from None
    return value


def _network(value: str) -> str:
    try:
        return str(ip_network(value))
    except ValueError:
        raise ValueError(
            "has an entry that is no address or range; write it as in 10.0.0.0/24, without bits "
            "beyond the range"
        ) from None


Port = Annotated[int, Field(ge=1, le=65_535)]
Bind = Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F.:]+$"), AfterValidator(_address)]
Version = Annotated[
    str, StringConstraints(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+[A-Za-z0-9.+-]*$", max_length=40)
]
Network = Annotated[str, StringConstraints(max_length=60), AfterValidator(_network)]
# No part is "..", or a home could be the home of somebody else.
AbsolutePath = Annotated[
    str, StringConstraints(pattern=r"^(/\.?[A-Za-z0-9_-][A-Za-z0-9._-]*)+/?$", max_length=200)
]
UnixName = Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_-]{0,31}$")]
# Files of the machine that deploys may be called anything that stands on one line.
LocalPath = Annotated[str, StringConstraints(pattern=r"^[^\p{C}\p{Zl}\p{Zp}]+$")]
Url = Annotated[str, StringConstraints(pattern=r"^https?://[A-Za-z0-9._~:/@%+\[\]-]+$")]

# systemd's MemoryMax=: bytes with a suffix, or a share of the host's memory.
Memory = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,9}(\.[0-9]{1,9})?[KMGT%]$")]
# Prometheus' duration of one unit, as in 15d or 1y.
Retention = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,4}[hdwy]$")]
# Files of a release of Ollama, by what stands between ``ollama-linux-`` and ``.tar.zst``: the
# archive of an architecture, and the one that adds ROCm's libraries, which AMD's cards need. There
# is none of ROCm for arm64 (ollama/ollama .github/workflows/release.yaml).
ReleaseFile = Literal["amd64", "arm64", "amd64-rocm"]
ARCHIVES: tuple[ReleaseFile, ...] = ("amd64", "arm64")
ROCM: ReleaseFile = "amd64-rocm"
# nvidia-smi's UUID of a card or of a MIG slice, or rocminfo's of an AMD card.
GpuUuid = Annotated[str, StringConstraints(pattern=r"^(GPU|MIG)-[0-9A-Za-z-]{8,64}$")]

LOOPBACK = ("127.0.0.1", "::1")

# Settings that llmrack reads start with one of these; whatever else stands in the inventory
# (ssh_user, _sudo, a name of the user's own) belongs to pyinfra or to the user.
OWN_PREFIXES = ("service_", "gpu_", "ollama_", "gateway_", "monitor_")
OWN_NAMES = (
    *("stack_file", "env_file", "secrets_file", "address", "bundle"),
    *("proxy", "proxy_login", "no_proxy", "ca_file"),
    *("keep_edits", "remove_models", "replaces"),
)


def _listed(value: object) -> object:
    """A tuple of the paths in a text with commas, as ``--data`` gives it."""
    return tuple(value.split(",")) if isinstance(value, str) else value


class DeclaredInstance(BaseModel):
    """An entry of ``ollama_instances``: one Ollama server with cards of its own.

    + name: the part of its unit's name after ``llmrack-ollama@``
    + gpus: UUIDs of its cards (``nvidia-smi -L``); empty if it uses no card
    + port: default: ``ollama_port`` and the ports that follow, in the order declared
    + environment: variables beside those of ``ollama_environment``
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
    gpus: tuple[GpuUuid, ...]
    port: Port | None = None
    environment: OllamaEnvironment | None = None


class Settings(BaseModel):
    """What is set for one host. Each field is explained once, in ``group_data/``.

    The defaults are what ``group_data/`` ships, so that a host outside a group has them too.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, allow_inf_nan=False
    )

    stack_file: LocalPath = "stack.yaml"
    env_file: LocalPath = ".env"
    secrets_file: LocalPath = "secrets.age"
    address: str | None = None
    bundle: LocalPath | None = None
    proxy: ProxyAddress | None = None
    proxy_login: SecretName | None = None
    no_proxy: Exemptions = ()
    ca_file: LocalPath | None = None
    keep_edits: Annotated[tuple[str, ...], BeforeValidator(_listed)] = ()
    remove_models: bool = False
    replaces: OldServices = ()

    service_user: UnixName = "llm"
    service_home: AbsolutePath = "/home/llm"
    service_groups: tuple[UnixName, ...] = ("render", "video")

    gpu_required: bool = True
    gpu_driver: Literal["distribution", "nvidia"] | None = None
    gpu_reboot: bool = False

    ollama_version: Version = "0.34.4"
    ollama_sha256: dict[ReleaseFile, Sha256] = {
        "amd64": "c238986e61d40c0cc5f4a9b9e40b9eea104350b77efa34741fc134e105cb9533",
        "arm64": "96f50a1192133028cf4e010d8c333f8af14b1505db6be7b2034c11487e7fd7e6",
        "amd64-rocm": "dbfcbdff6c36f69bfed177d1807aa2a23ad04ad9208f9a3f648d2fd36136ff3d",
    }
    ollama_keep_releases: int = Field(2, ge=2)
    ollama_archive: LocalPath | None = None
    ollama_mirror: Url | None = None
    ollama_bind: Bind = "127.0.0.1"
    ollama_port: Port = 11434
    ollama_guard: bool = True
    ollama_admitted: tuple[Network, ...] = ()
    ollama_batch: int = Field(1, ge=1)
    ollama_priority: int | None = Field(None, ge=1, le=10)
    ollama_weight: float | None = Field(None, gt=0)
    ollama_pull_deadline: float = Field(120, gt=0)
    ollama_environment: OllamaEnvironment = OllamaEnvironment()
    ollama_extra_environment: dict[ExtraName, Text] = {}
    ollama_instances: Literal["one", "per-gpu"] | tuple[DeclaredInstance, ...] = "one"
    ollama_models: AbsolutePath | None = None
    ollama_models_mount: AbsolutePath | None = None
    ollama_memory_max: Memory | None = None
    ollama_tasks_max: int | None = Field(None, ge=16)

    gateway_bind: Bind = "127.0.0.1"
    gateway_port: Port = 4000
    gateway_drain: int = Field(300, ge=1, le=3600)
    gateway_cooldown: float = Field(10, gt=0, le=3600)
    gateway_keep_releases: int = Field(3, ge=2)

    monitor_bind: Bind = "127.0.0.1"
    monitor_port: Port = 9090
    monitor_retention: Retention = "15d"
    gateway_log_days: int = Field(30, ge=1, le=3650)

    @property
    def instances_follow_cards(self) -> bool:
        """Whether the host's instances depend on its cards."""
        return self.ollama_instances == "per-gpu"

    @model_validator(mode="after")
    def _check_home(self) -> Settings:
        if len(PurePosixPath(self.service_home).parts) < 3:
            raise ValueError("service_home is a folder of its own, such as /home/llm")
        return self

    @model_validator(mode="after")
    def _check_proxies(self) -> Settings:
        environments = [self.ollama_environment]
        if isinstance(self.ollama_instances, tuple):
            environments += [one.environment for one in self.ollama_instances if one.environment]
        for environment in environments:
            for name in ("HTTPS_PROXY", "NO_PROXY"):
                if self.proxy and getattr(environment, name) is not None:
                    setting = "proxy" if name == "HTTPS_PROXY" else "no_proxy"
                    raise ValueError(f"{name} is set for Ollama by `{setting}`, too; keep one")
        return self


def is_own(name: str) -> bool:
    """Whether a name in host data belongs to llmrack, which must then know it."""
    return name in OWN_NAMES or name.startswith(OWN_PREFIXES)


def unknown_setting(path: str) -> tuple[str, str]:
    """Cause and way out for an unknown setting.

    + path: where it stands, as in ``ollama_instances.0.ports``
    """
    parent, _, name = path.rpartition(".")
    if parent.endswith("environment"):
        return unknown_variable(name)
    if parent.startswith("ollama_instances"):
        return "is no known key of an instance", nearest(name, DeclaredInstance.model_fields)
    return unknown([path], "setting", Settings.model_fields)


def is_loopback(bind: str) -> bool:
    """Whether a server bound to ``bind`` can be reached from its own host only."""
    return bind in LOOPBACK or bind.startswith("127.")
