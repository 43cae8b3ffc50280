"""The list of all kinds of provider that ``stack.yaml`` can have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, Field

from llmrack.problems import CauseAndWayOut
from llmrack.stack.kinds import MODES, Kind
from llmrack.stack.litellm_provider import LiteLLMProvider
from llmrack.stack.ollama.providers import (
    OllamaCloudProvider,
    OllamaProvider,
    OllamaRemoteProvider,
)
from llmrack.stack.remote_provider import PaidProvider, RemoteProvider

# Hosts of services, and the base addresses below which they answer (from their own pages on the
# API); nothing answers at the root.
_BASES = {
    "api.openai.com": "https://api.openai.com/v1",
    "openrouter.ai": "https://openrouter.ai/api/v1",
    "api.groq.com": "https://api.groq.com/openai/v1",
    "api.mistral.ai": "https://api.mistral.ai/v1",
    "api.together.xyz": "https://api.together.xyz/v1",
    "generativelanguage.googleapis.com": "https://generativelanguage.googleapis.com/v1beta/openai",
}


class VllmProvider(RemoteProvider):
    """A vLLM server; /chat/completions and the like are appended to its base address."""

    title: ClassVar[str] = "vLLM"
    dialect: ClassVar[str] = "vllm"
    # docs/serving/openai_compatible_server.md of vllm-project/vllm.
    kinds: ClassVar[tuple[Kind, ...]] = ("chat", "embedding", "transcription", "rerank")

    kind: Literal["vllm"]
    url: str = Field(
        description="Base address, which ends in /v1 unless something is in front of it.",
        examples=["http://10.0.0.8:8000/v1"],
    )

    def litellm(self, kind: Kind, url: str) -> tuple[str, str]:
        """``hosted_vllm`` for what it knows, ``openai`` for the rest."""
        return ("hosted_vllm" if kind in ("chat", "embedding") else "openai"), url

    def watched(self, url: str) -> tuple[str, str]:
        """``/health``, which vLLM has beside /v1 (vllm/entrypoints/openai/api_server.py)."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}{parts.path.removesuffix('/v1')}", "/health"

    @property
    def version_url(self) -> str:
        """``/version``, beside /v1, too."""
        beside = self.base.removesuffix("/v1") + "/version"
        return f"{beside}?{self.query}" if self.query else beside

    def wrong_url(self) -> CauseAndWayOut | None:
        """The address needs a path, and must not end in a path that is appended to it."""
        if urlsplit(self.url).path.rstrip("/"):
            return self.appended_twice()
        return "has no path, and vLLM answers chats below /v1", f"write {self.at('/v1')}"


class OpenAICompatibleProvider(PaidProvider):
    """Any service that speaks OpenAI's API below its base address."""

    title: ClassVar[str] = "OpenAI's API"
    dialect: ClassVar[str] = "openai"
    kinds: ClassVar[tuple[Kind, ...]] = tuple(MODES)
    in_price_list: ClassVar[bool] = True
    may_serve_unlisted: ClassVar[bool] = True

    kind: Literal["openai-compatible"]
    url: str = Field(
        description="Base address, to which /chat/completions and the like are appended.",
        examples=["https://host/v1"],
    )

    def litellm(self, kind: Kind, url: str) -> tuple[str, str]:
        """``openai`` for everything."""
        return "openai", url

    def listed_name(self, name: str) -> str:
        """Google's service lists what it calls gemini-x as models/gemini-x."""
        return name.removeprefix("models/")

    def wrong_levels(self, name: str, levels: Sequence[str]) -> CauseAndWayOut | None:
        """OpenAI's API only has levels, and no switch."""
        if levels:
            return None
        return (
            f"OpenAI's API has no switch for thinking, and {name!r} is asked by it",
            "name the levels that the model knows, or leave 'levels' out",
        )

    def wrong_url(self) -> CauseAndWayOut | None:
        """The address must not be the root of a service that answers elsewhere."""
        parts = urlsplit(self.url)
        base = _BASES.get(parts.hostname or "")
        if parts.path.rstrip("/") or not base:
            return self.appended_twice()
        return f"nothing answers below it: {parts.hostname} has its API elsewhere", f"write {base}"


Provider = Annotated[
    OllamaProvider
    | OllamaRemoteProvider
    | OllamaCloudProvider
    | VllmProvider
    | OpenAICompatibleProvider
    | LiteLLMProvider,
    Field(discriminator="kind"),
]
KINDS: dict[str, type[BaseModel]] = {
    "ollama": OllamaProvider,
    "ollama-remote": OllamaRemoteProvider,
    "ollama-cloud": OllamaCloudProvider,
    "vllm": VllmProvider,
    "openai-compatible": OpenAICompatibleProvider,
    "litellm": LiteLLMProvider,
}
