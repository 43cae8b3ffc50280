"""HTTP clients: one an instance, with its connect timeout, its certificate and its path for chats.

LiteLLM knows no connect timeout of its own, verifies by its own settings when it connects again,
and always asks Ollama at /api/chat (seen with 1.106.2); but it takes a client for each request.
"""

from __future__ import annotations

import ssl
from typing import Any

import httpx
import openai
from litellm.llms.custom_httpx.http_handler import AsyncHTTPHandler
from routing_watch import tls

_OLLAMA_CHAT = "/api/chat"


class _Client(AsyncHTTPHandler):
    """LiteLLM's client, as an instance needs it also where LiteLLM makes it anew."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self._spec = spec
        self._tls: ssl.SSLContext = tls(spec["verify"])
        super().__init__()

    def create_client(self, timeout: Any, *_: Any, **__: Any) -> httpx.AsyncClient:  # noqa: ANN401
        hooks = {"request": [self._prepare]}
        return super().create_client(timeout, hooks, ssl_verify=self._tls)

    async def _prepare(self, request: httpx.Request) -> None:
        timeouts = request.extensions.get("timeout", {})
        request.extensions["timeout"] = {**timeouts, "connect": self._spec["connect_timeout"]}
        path = self._spec["chat"]
        if path and request.url.path.endswith(_OLLAMA_CHAT):
            begin = request.url.path.removesuffix(_OLLAMA_CHAT)
            request.url = request.url.copy_with(path=begin + path)


class Clients:
    """The clients of all instances; each is made when it is first needed.

    + specs: routing.json's instances, by name
    """

    def __init__(self, specs: dict[str, dict[str, Any]]) -> None:
        """Opens nothing."""
        self._specs = specs
        self._http: dict[str, _Client] = {}
        self._openai: dict[str, openai.AsyncOpenAI] = {}

    def choose(self, instance: str, kwargs: dict[str, Any]) -> None:
        """Give a call of LiteLLM the client of the instance that it asks."""
        spec = self._specs[instance]
        if str(kwargs["model"]).startswith("openai/"):
            limit = httpx.Timeout(kwargs["timeout"], connect=spec["connect_timeout"])
            kwargs["timeout"] = limit
            if spec["verify"] is not True:
                kwargs["client"] = self._of_openai(instance, spec, kwargs)
            return
        if instance not in self._http:
            self._http[instance] = _Client(spec)
        kwargs["client"] = self._http[instance]

    def _of_openai(
        self, instance: str, spec: dict[str, Any], kwargs: dict[str, Any]
    ) -> openai.AsyncOpenAI:
        if instance not in self._openai:
            self._openai[instance] = openai.AsyncOpenAI(
                api_key=kwargs["api_key"],
                base_url=kwargs["api_base"],
                max_retries=0,
                http_client=httpx.AsyncClient(verify=tls(spec["verify"])),
            )
        return self._openai[instance]
