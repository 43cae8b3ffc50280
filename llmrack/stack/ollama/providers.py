"""The kinds of provider that are asked in Ollama's form: ours, somebody else's, Ollama Cloud."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import Field

from llmrack.problems import CauseAndWayOut
from llmrack.stack.fleet import Host
from llmrack.stack.instances import Instance
from llmrack.stack.kinds import Kind
from llmrack.stack.models import Model
from llmrack.stack.ollama.instances import instances
from llmrack.stack.ollama.names import normalised, without_cloud
from llmrack.stack.provider import USUAL_LEVELS, BaseProvider
from llmrack.stack.remote_provider import PaidProvider, RemoteProvider, UrlPath
from llmrack.stack.types import Closed

# Paths of Ollama's API (ollama/ollama docs/api.md).
CHAT, LIST, LOADED, DESCRIBE, VERSION = (
    *("/api/chat", "/api/tags", "/api/ps", "/api/show", "/api/version"),
)
# The family of Ollama's models that have levels of thinking; for all others thinking is on or off
# (ollama/ollama docs/capabilities/thinking.mdx).
LEVELLED = "gpt-oss"
# Values that Ollama takes for ``think``, beside true and false (api/types.go at v0.33).
LEVELS = ("low", "medium", "high", "max")


class _AskedAsOllama:
    """The common parts of all providers that are asked in Ollama's form.

    It is no pydantic model: the fields come from the other base of each kind.
    """

    title: ClassVar[str] = "Ollama"
    dialect: ClassVar[str] = "ollama"
    # docs/openapi.yaml of ollama/ollama.
    kinds: ClassVar[tuple[Kind, ...]] = ("chat", "embedding")
    speaks_openai: ClassVar[bool] = False
    takes_openai_chats: ClassVar[bool] = False
    loaded_path: ClassVar[str | None] = LOADED
    describe_path: ClassVar[str | None] = DESCRIBE

    @property
    def list_path(self) -> str:
        """As Ollama's API has it."""
        return LIST

    @property
    def chat_path(self) -> str:
        """As Ollama's API has it."""
        return CHAT

    def litellm(self, kind: Kind, url: str) -> tuple[str, str]:
        """``ollama_chat``, which asks /api/chat; OpenAI's form for embeddings.

        LiteLLM's ``ollama/`` embeddings send no key and ignore the timeout.
        """
        return ("openai", f"{url}/v1") if kind == "embedding" else ("ollama_chat", url)

    def full_name(self, name: str) -> str:
        """No tag means ``latest``."""
        return normalised(name)

    def levels(self, upstream: str) -> tuple[str, ...]:
        """Levels for one family of models; for the others thinking is on or off."""
        return USUAL_LEVELS if upstream.rsplit("/", 1)[-1].startswith(LEVELLED) else ()

    def wrong_levels(self, name: str, levels: Sequence[str]) -> CauseAndWayOut | None:
        """Ollama refuses levels that it does not know."""
        unknown = [level for level in levels if level not in LEVELS]
        if not unknown:
            return None
        return (
            f"Ollama knows no level {', '.join(unknown)}",
            f"name some of {', '.join(LEVELS)}; to think not at all is always possible where the "
            "model can",
        )


class OllamaProvider(_AskedAsOllama, BaseProvider):
    """Ollama on our own hosts: one instance on every host of ``group``."""

    kind: Literal["ollama"]
    group: str = Field(
        "gpu",
        description="Inventory group whose hosts run these models.",
        examples=["gpu"],
    )
    prune: Literal[False, True, "everything"] = Field(
        False,
        description="Remove models from these hosts that nobody declares. 'everything' also when "
        "none is declared at all.",
        examples=[True],
    )

    @property
    def remote(self) -> None:
        """None: it runs on our own hosts."""

    @property
    def runs_on(self) -> str:
        """Its group."""
        return self.group

    def instances(self, host: Host) -> tuple[Instance, ...]:
        """The instances that the host's settings declare, if the host is in its group."""
        return instances(host) if self.group in host.groups else ()

    @property
    def needs_models(self) -> bool:
        """A provider may exist only to remove models; ``checks.pruning`` judges those."""
        return not self.prune

    def watched(self, url: str) -> tuple[str, str]:
        """The server as a whole: shipped/gateway/routing/watch.py."""
        return url.removesuffix("/v1"), "*"

    def upstream(self, name: str, model: Model) -> str:
        """The public name of a model that is made; a name of its own for one with a context."""
        if model.create:
            return name
        if model.context_length:
            return f"{normalised(model.model or name)}-ctx{model.context_length}"
        return super().upstream(name, model)


class Paths(Closed):
    """Where a server answers what Ollama answers elsewhere, below its base address."""

    chat: UrlPath = Field(CHAT, description="Chats.", examples=["/v2/chat"])
    models: UrlPath = Field(LIST, description="List of models.", examples=["/v2/models"])
    health: UrlPath = Field(VERSION, description="Signs of life.", examples=["/healthz"])


class OllamaRemoteProvider(_AskedAsOllama, RemoteProvider):
    """An Ollama server somebody else runs."""

    kind: Literal["ollama-remote"]
    paths: Paths = Field(
        Paths(),
        description="Paths that differ from Ollama's own.",
        examples=[{"chat": "/ollama/chat"}],
    )

    @property
    def list_path(self) -> str:
        """As it is declared."""
        return self.paths.models

    @property
    def chat_path(self) -> str:
        """As it is declared."""
        return self.paths.chat

    @property
    def unusual_chat_path(self) -> str | None:
        """The declared one, unless it is Ollama's."""
        return None if self.paths.chat == CHAT else self.paths.chat

    @property
    def version_url(self) -> str:
        """Where it gives signs of life."""
        return self.at(self.paths.health)

    def watched(self, url: str) -> tuple[str, str]:
        """Its signs of life."""
        return self.base, self.paths.health

    def wrong_url(self) -> CauseAndWayOut | None:
        """It does not end in what is appended to it."""
        return _appended_twice(self.base)


class OllamaCloudProvider(_AskedAsOllama, PaidProvider):
    """Ollama Cloud, asked directly."""

    takes_openai_chats: ClassVar[bool] = True
    loaded_path: ClassVar[str | None] = None

    kind: Literal["ollama-cloud"]
    url: str = Field(
        "https://ollama.com",
        description="Base address; /api/chat is appended, so it has no path of its own.",
        examples=["https://ollama.com"],
    )
    api_key: str = Field(
        "OLLAMA_API_KEY",
        description="Name of the secret (docs/secrets.md) that is sent as bearer token.",
        examples=["OLLAMA_API_KEY"],
    )

    @property
    def chat_path(self) -> str:
        """The path in OpenAI's form, which llmrack's own chats use."""
        return "/v1/chat/completions"

    def upstream(self, name: str, model: Model) -> str:
        """The name without the suffix that a local Ollama adds to models of ollama.com."""
        upstream = super().upstream(name, model)
        return upstream if model.model is not None else without_cloud(upstream)

    def wrong_name(self, upstream: str) -> CauseAndWayOut | None:
        """The suffix is for a local Ollama."""
        if not upstream.endswith(("-cloud", ":cloud")):
            return None
        return (
            f"ollama.com itself does not know {upstream!r}: the -cloud suffix belongs to names in "
            "a local Ollama",
            "leave the suffix off, or leave out 'model'",
        )

    def wrong_url(self) -> CauseAndWayOut | None:
        """It does not end in what is appended to it."""
        return _appended_twice(self.base)


def _appended_twice(url: str) -> CauseAndWayOut | None:
    path = urlsplit(url).path
    if not path.endswith(("/api", "/v1")):
        return None
    ending = path[path.rindex("/") :]
    return (
        f"ends in {ending}, but /api/chat is appended to it (requests would go to "
        f"{ending}/api/chat and find nothing)",
        f"write {url.removesuffix(ending)}",
    )
