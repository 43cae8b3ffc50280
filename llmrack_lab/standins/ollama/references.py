"""Where a model's name says that it is: ``:cloud``, ``:TAG-cloud`` or ``:local`` at its end.

After ``internal/modelref`` and ``server/cloud_proxy.go``. Nothing is asked of ollama.com here.
"""

from __future__ import annotations

from .errors import ApiError

MODEL_UNAVAILABLE = "remote model is unavailable"
DETAILS_UNAVAILABLE = "remote model details are unavailable"


def is_cloud(name: str) -> bool:
    """Whether a name means a model of Ollama Cloud."""
    suffix = name.strip().lower().rpartition(":")[1:]
    colon, tag = suffix
    return bool(colon) and (tag == "cloud" or (tag.endswith("-cloud") and "/" not in tag))


def local_name(name: str) -> str:
    """A name without the suffix ``:local``."""
    return name[: -len(":local")] if name.lower().endswith(":local") else name


def refuse_cloud(name: str, *, no_cloud: bool, operation: str) -> None:
    """Refuse a model of the cloud.

    Args:
        name: as the request has it.
        no_cloud: whether OLLAMA_NO_CLOUD is set; else it is ollama.com that cannot be reached.
        operation: what is not to be had.

    Raises:
        ApiError: 403 or 502, in Ollama's own form at each path.
    """
    if not is_cloud(name):
        return
    if no_cloud:
        raise ApiError(403, f"ollama cloud is disabled: {operation}", native=True)
    raise ApiError(502, "dial tcp: lookup ollama.com: no such host", native=True)
