"""The shape of ``stack.yaml``: providers, models, chains.

Unknown keys are refused, and every field carries a description and an example: they become the
JSON Schema that editors complete from (``llmrack schema``).
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

# A public model name may carry a tag ("llama3.1:8b") or a namespace ("org/name"); nothing that a
# shell, YAML, Jinja or systemd would read as its own.
ModelName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]*$")]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
Capability = Literal["chat", "embedding", "vision", "tools"]

_SECRET_NAME = re.compile(r"^[A-Z][A-Z0-9_]*$")


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class _Provider(_Closed):
    timeout: Seconds = Field(
        600,
        description="Seconds a whole answer may take when it is not streamed.",
        examples=[60],
    )
    stream_timeout: Seconds = Field(
        60,
        description="Seconds to the first token, and between two tokens, of a streamed answer. "
        "A model that loads from a slow disk needs more.",
        examples=[60],
    )


def _secret_name(value: Any) -> Any:  # noqa: ANN401  (pydantic hands over what the file holds)
    if value is not None and not (isinstance(value, str) and _SECRET_NAME.match(value)):
        raise ValueError("is not the name of a secret (capital letters, digits and _)")
    return value


def _base_url(value: str) -> str:
    if not re.match(r"^https?://[A-Za-z0-9._\-\[\]:]+(/[A-Za-z0-9._~/-]*)?$", value):
        raise ValueError("is not an http:// or https:// address")
    return value.rstrip("/")


class _WithUrl(_Provider):
    url: str = Field(description="Base address of the service.", examples=["http://10.0.0.7:11434"])
    api_key: str | None = Field(
        None,
        description="Name of the secret (a variable of .env) that is sent as bearer token.",
        examples=["VLLM_API_KEY"],
    )

    check_secret = field_validator("api_key", mode="before")(_secret_name)
    check_url = field_validator("url")(_base_url)


class OllamaProvider(_Provider):
    """Ollama on our own hosts: one instance on every host of ``group``."""

    kind: Literal["ollama"]
    group: str = Field(
        "gpu",
        description="Inventory group whose hosts run these models.",
        examples=["gpu"],
    )


class OllamaRemoteProvider(_WithUrl):
    """An Ollama server somebody else runs."""

    kind: Literal["ollama-remote"]


class OllamaCloudProvider(_WithUrl):
    """Ollama Cloud, asked directly."""

    kind: Literal["ollama-cloud"]
    url: str = Field(
        "https://ollama.com",
        description="Base address; /api/chat is appended, so it has no path of its own.",
        examples=["https://ollama.com"],
    )
    api_key: str = Field(
        "OLLAMA_API_KEY",
        description="Name of the secret (a variable of .env) that is sent as bearer token.",
        examples=["OLLAMA_API_KEY"],
    )


class VllmProvider(_WithUrl):
    """A vLLM server; its base address ends in /v1."""

    kind: Literal["vllm"]
    url: str = Field(
        description="Base address, ending in /v1.", examples=["http://10.0.0.8:8000/v1"]
    )


class OpenAICompatibleProvider(_WithUrl):
    """Any service that speaks OpenAI's API; its base address ends in /v1."""

    kind: Literal["openai-compatible"]
    url: str = Field(description="Base address, ending in /v1.", examples=["https://host/v1"])


Provider = Annotated[
    OllamaProvider
    | OllamaRemoteProvider
    | OllamaCloudProvider
    | VllmProvider
    | OpenAICompatibleProvider,
    Field(discriminator="kind"),
]


class Model(_Closed):
    """A public name that clients ask for."""

    provider: Name = Field(description="The provider that runs it.", examples=["local"])
    model: ModelName | None = Field(
        None,
        description="The provider's own name for it. Default: the public name; for ollama-cloud "
        "without its -cloud suffix, which ollama.com itself does not know.",
        examples=["Qwen/Qwen2.5-Coder-7B-Instruct"],
    )
    capabilities: tuple[Capability, ...] = Field(
        ("chat",),
        min_length=1,
        description="What it can do; each is proven by a request. An embedding model has only "
        "'embedding'.",
        examples=[["chat", "tools"]],
    )
    dimensions: int | None = Field(
        None,
        gt=0,
        description="Length of an embedding model's vectors; proven when given.",
        examples=[768],
    )
    explicit_only: bool = Field(
        False,
        description="Served only to those who ask for it by name: stands in no chain, and has no "
        "fallback.",
        examples=[True],
    )
    timeout: Seconds | None = Field(
        None, description="Instead of the provider's timeout, in seconds.", examples=[60]
    )
    stream_timeout: Seconds | None = Field(
        None, description="Instead of the provider's stream_timeout, in seconds.", examples=[10]
    )


class Stack(_Closed):
    """What is served: a whole ``stack.yaml``."""

    providers: dict[Name, Provider] = Field(
        min_length=1, description="Where models run, by a name of your choice."
    )
    models: dict[ModelName, Model] = Field(
        min_length=1, description="What clients can ask for, by public name."
    )
    chains: dict[ModelName, tuple[ModelName, ...]] = Field(
        default_factory=dict,
        description="For a model, the models that are tried in turn when it fails.",
        examples=[{"llama3.1:latest": ["gpt-oss:120b-cloud"]}],
    )
    default_chain: tuple[ModelName, ...] = Field(
        (),
        description="The chain of every chat model that has none of its own.",
        examples=[["gpt-oss:120b-cloud"]],
    )

    def upstream(self, name: str) -> str:
        """The name by which the provider of model ``name`` knows it."""
        model = self.models[name]
        if model.model is not None:
            return model.model
        if isinstance(self.providers[model.provider], OllamaCloudProvider):
            return without_cloud(name)
        return name

    def chain(self, name: str) -> tuple[str, ...]:
        """The models tried in turn after ``name``: its own chain, or else the default one."""
        model = self.models[name]
        if name in self.chains:
            return self.chains[name]
        if model.explicit_only or "chat" not in model.capabilities:
            return ()
        return tuple(other for other in self.default_chain if other != name)

    def models_of(self, provider: str) -> list[str]:
        """Public names of the models that run at ``provider``, in the order declared."""
        return [name for name, model in self.models.items() if model.provider == provider]


def without_cloud(name: str) -> str:
    """``name`` as ollama.com knows it.

    A local Ollama names cloud models ``m:tag-cloud`` or ``m:cloud``; ollama.com lists them
    without (ollama/ollama docs/cloud.mdx).
    """
    return name.removesuffix(":cloud").removesuffix("-cloud")
