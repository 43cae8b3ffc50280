"""LiteLLM's cache of answers: what must reach a server goes past it.

A stack may have such a cache (``litellm`` in stack.yaml). An answer from it says nothing about the
instance that would have been asked.
"""

from __future__ import annotations

from typing import Any

from ..litellm_parts import has_cache

# LiteLLM's parameter of a call; it neither takes the answer from the cache nor puts it there.
_PAST = {"no-cache": True, "no-store": True}


def past_cache() -> dict[str, Any]:
    """Parameters of a call that a server must answer."""
    return {"cache": _PAST} if has_cache() else {}


def wants_no_cache(data: dict[str, Any]) -> bool:
    """Whether a client asks for an answer that no cache has (RFC 9111, 5.2.1.4)."""
    headers = (data.get("proxy_server_request") or {}).get("headers") or {}
    return "no-cache" in str(headers.get("cache-control", "")).lower()


def is_cached(response: object) -> bool:
    """Whether an answer comes from the cache."""
    hidden = getattr(response, "_hidden_params", None) or {}
    return bool(hidden.get("cache_key") or hidden.get("cache_hit"))
