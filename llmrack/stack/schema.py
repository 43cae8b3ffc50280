"""The shape of ``stack.yaml``: providers, models, chains.

Unknown keys are refused, and every field carries a description and an example: they become the
JSON Schema that editors complete from (``llmrack schema``).
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from llmrack.stack.models import Closed, Model, ModelName, Name, Seconds

_SECRET_NAME = re.compile(r"^[A-Z][A-Z0-9_]*$")


class _Provider(Closed):
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
    prune: Literal[False, True, "everything"] = Field(
        False,
        description="Remove models from these hosts that nobody declares. 'everything' also when "
        "none is declared at all.",
        examples=[True],
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


class Stack(Closed):
    """What is served: a whole ``stack.yaml``."""

    providers: dict[Name, Provider] = Field(
        min_length=1, description="Where models run, by a name of your choice."
    )
    models: dict[ModelName, Model] = Field(description="What clients can ask for, by public name.")
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
        if model.create:
            return name
        if model.context_length:
            return f"{normalised(model.model or name)}-ctx{model.context_length}"
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


def normalised(name: str) -> str:
    """A model's full local name: ``gemma3`` means ``gemma3:latest``."""
    return name if ":" in name.rsplit("/", 1)[-1] else f"{name}:latest"
