"""The server's environment variables, read as Ollama reads them (``envconfig/config.go``)."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

_UNIT_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")

DEFAULT_KEEP_ALIVE = 300.0
DEFAULT_CONTEXT_LENGTH = 4096


def parse_duration(text: str) -> float:
    """Seconds of a Go duration such as ``1h30m`` or ``-1s``.

    Raises:
        ValueError: the text is no Go duration; the message is Go's.
    """
    body = text[1:] if text[:1] in ("-", "+") else text
    if body == "0":
        return 0.0
    parts = _DURATION_PART.findall(body)
    if not parts or "".join(number + unit for number, unit in parts) != body:
        quoted = f'"{text}"'
        if re.fullmatch(r"\d+(\.\d*)?", body):
            raise ValueError(f"time: missing unit in duration {quoted}")
        raise ValueError(f"time: invalid duration {quoted}")
    seconds = sum(float(number) * _UNIT_SECONDS[unit] for number, unit in parts)
    return -seconds if text[0] == "-" else seconds


def go_duration(seconds: float) -> str:
    """Seconds as Go writes them: ``273.456µs``, ``1.49ms``, ``23.192270535s``, ``1m2s``."""
    for unit in ("s", "ms", "µs"):
        amount = seconds / _UNIT_SECONDS[unit]
        if amount >= 1 or unit == "µs":
            break
    if amount >= 60 and unit == "s":
        return f"{int(amount // 60)}m{int(amount % 60)}s"
    digits = {"s": 9, "ms": 6, "µs": 3}[unit]
    return f"{amount:.{digits}f}".rstrip("0").rstrip(".") + unit


@dataclass(frozen=True)
class Settings:
    """What ``ollama serve`` and the client commands take from the environment.

    Attributes:
        host: address to bind to, or to connect to.
        port: TCP port.
        models: the models directory.
        keep_alive: seconds that a model stays loaded; ``math.inf`` for ever.
        no_prune: keep unreferenced blobs at the start.
        context_length: tokens of context for a request that names none.
        max_queue: requests that may wait before 503.
        num_parallel: requests that are answered at the same time.
        no_cloud: whether models of Ollama Cloud are refused.
        cuda_devices: CUDA_VISIBLE_DEVICES; None leaves all cards of NVIDIA's visible. An invalid
            GPU id such as ``-1`` forces the CPU (Ollama's docs/gpu.mdx).
        rocm_devices: ROCR_VISIBLE_DEVICES, the same for AMD's.
        rocm_target: HSA_OVERRIDE_GFX_VERSION as an LLVM target, or empty.
        vulkan: whether Vulkan is used.
        vulkan_devices: GGML_VK_VISIBLE_DEVICES: indices; None leaves all visible.
        integrated: whether Vulkan may use integrated cards.
    """

    host: str
    port: int
    models: Path
    keep_alive: float
    no_prune: bool
    context_length: int
    max_queue: int
    num_parallel: int
    no_cloud: bool
    cuda_devices: str | None
    rocm_devices: str | None
    rocm_target: str
    vulkan: bool
    vulkan_devices: str | None
    integrated: bool

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read the settings; like Ollama, replace values that make no sense by the default."""
        # Ollama strips blanks and quotes around every value.
        values = {name: value.strip().strip("\"'") for name, value in environment.items()}
        host, port = _host(values.get("OLLAMA_HOST", ""))
        models = values.get("OLLAMA_MODELS", "")
        home = Path(values.get("HOME", "") or Path.home())
        return cls(
            host=host,
            port=port,
            models=Path(models) if models else home / ".ollama" / "models",
            keep_alive=_keep_alive(values.get("OLLAMA_KEEP_ALIVE", "")),
            no_prune=_bool(values, "OLLAMA_NOPRUNE"),
            context_length=_uint(values, "OLLAMA_CONTEXT_LENGTH") or DEFAULT_CONTEXT_LENGTH,
            max_queue=_uint(values, "OLLAMA_MAX_QUEUE", 512),
            num_parallel=max(1, _uint(values, "OLLAMA_NUM_PARALLEL", 1)),
            no_cloud=_bool(values, "OLLAMA_NO_CLOUD"),
            cuda_devices=values.get("CUDA_VISIBLE_DEVICES"),
            rocm_devices=values.get("ROCR_VISIBLE_DEVICES"),
            rocm_target=_target(values.get("HSA_OVERRIDE_GFX_VERSION", "")),
            # On unless it is turned off (BoolWithDefault).
            vulkan=not values.get("OLLAMA_VULKAN") or _bool(values, "OLLAMA_VULKAN"),
            # Ollama takes an empty value for none.
            vulkan_devices=values.get("GGML_VK_VISIBLE_DEVICES") or None,
            integrated=_bool(values, "OLLAMA_IGPU_ENABLE"),
        )


def _host(text: str) -> tuple[str, int]:
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "", text
    default_port = {"http": 80, "https": 443}.get(scheme, 11434)
    parts = urlsplit(f"//{rest}")
    # A port alone stands for every address, as in Go.
    host = parts.hostname or ("0.0.0.0" if rest.startswith(":") else "127.0.0.1")  # noqa: S104
    try:
        port = parts.port
    except ValueError:
        port = None
    return host, default_port if port is None else port


def _keep_alive(text: str) -> float:
    try:
        seconds = parse_duration(text)
    except ValueError:
        try:
            seconds = int(text)
        except ValueError:
            seconds = DEFAULT_KEEP_ALIVE
    return math.inf if seconds < 0 else seconds


def _target(override: str) -> str:
    """``11.0.0`` as ``gfx1100`` (``discover/amd.go``, rocmGFXTargetOverride)."""
    parts = override.split(".")
    if len(parts) != 3 or not all(part.isdigit() for part in parts):
        return override if override.startswith("gfx") else ""
    return f"gfx{int(parts[0])}{int(parts[1]):x}{int(parts[2]):x}"


def _bool(values: Mapping[str, str], name: str) -> bool:
    return values.get(name, "").lower() not in ("", "0", "f", "false")


def _uint(values: Mapping[str, str], name: str, default: int = 0) -> int:
    text = values.get(name, "")
    return int(text) if text.isascii() and text.isdigit() else default
