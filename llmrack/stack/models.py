"""The shape of a model in ``stack.yaml``, and of the declaration that makes a new model."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from llmrack.stack.extra_body import ExtraBody
from llmrack.stack.parameters import Defaults, ParameterName, Parameters, Thinking
from llmrack.stack.types import Closed, ModelName, Name, Seconds, Sha256, UpstreamName

Capability = Literal[
    "chat",
    "vision",
    "tools",
    "thinking",
    "embedding",
    "transcription",
    "speech",
    "rerank",
    "image",
]
Strategy = Literal["weighted", "round-robin", "least-busy", "latency"]


def _one_or_list(schema: dict[str, Any]) -> None:
    listed = {key: schema.pop(key) for key in ("type", "items", "minItems")}
    schema["anyOf"] = [listed["items"], listed]


class Adapter(Closed):
    """A LoRA adapter on the machine that deploys."""

    file: str = Field(description="A GGUF file.", examples=["adapters/support.gguf"])
    sha256: Sha256 = Field(description="Its SHA-256, in hex.")


class Create(Closed):
    """A model made on the hosts, as a Modelfile would: from another model or from a local file."""

    base: ModelName | None = Field(
        None,
        alias="from",
        description="The model it is made from; pulled when it is not there.",
        examples=["llama3.2"],
    )
    gguf: str | None = Field(
        None,
        description="Instead: a GGUF file on the machine that deploys.",
        examples=["models/support.gguf"],
    )
    sha256: Sha256 | None = Field(None, description="SHA-256 of the GGUF file, in hex.")
    copy_of: ModelName | None = Field(
        None,
        alias="copy",
        description="Instead: a model that gets this name as a second one.",
        examples=["llama3.2:1b"],
    )
    system: str | None = Field(None, description="SYSTEM: what it is told before each talk.")
    template: str | None = Field(None, description="TEMPLATE: its prompt, as a Go template.")
    parameters: Parameters = Field(
        Parameters(), description="PARAMETER lines.", examples=[{"temperature": 0.7}]
    )
    adapters: tuple[Adapter, ...] = Field((), description="A LoRA adapter, up to Ollama 0.34.0.")

    @model_validator(mode="after")
    def _check_source(self) -> Create:
        sources = [self.base, self.gguf, self.copy_of]
        if sum(source is not None for source in sources) != 1:
            raise ValueError("needs exactly one of 'from', 'gguf' and 'copy'")
        if (self.gguf is None) != (self.sha256 is None):
            raise ValueError("'gguf' and 'sha256' belong together (`sha256sum FILE` prints it)")
        if self.copy_of and self.request:
            raise ValueError("a copy is the same model: use 'from' to change something")
        if len(self.adapters) > 1:
            raise ValueError("Ollama takes one adapter a model")
        return self

    @property
    def files(self) -> tuple[Adapter, ...]:
        """The local files it needs, with their digests."""
        weights = (Adapter(file=self.gguf, sha256=self.sha256),) if self.gguf else ()
        return weights + self.adapters

    @property
    def request(self) -> dict[str, Any]:
        """The parameters laid over its source, in the form of ``POST /api/create``."""
        parameters = self.parameters.model_dump(exclude_none=True)
        # The API takes stop as a list, and an empty list would count as given.
        parameters = {key: value for key, value in parameters.items() if value != ()}
        laid_over = {"system": self.system, "template": self.template, "parameters": parameters}
        request: dict[str, Any] = {key: value for key, value in laid_over.items() if value}
        if self.adapters:
            request["adapters"] = {
                adapter.file.rsplit("/", 1)[-1]: f"sha256:{adapter.sha256}"
                for adapter in self.adapters
            }
        return request

    @property
    def digest(self) -> str:
        """SHA-256 of everything that decides the model's content, in hex."""
        decides = [self.base, self.sha256, self.copy_of, self.request]
        return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()


class Price(Closed):
    """What a model costs, in US dollars for a million tokens."""

    input: float = Field(ge=0, description="Of what it is asked.", examples=[0.15])
    output: float = Field(ge=0, description="Of what it answers.", examples=[0.6])


class Model(Closed):
    """A public name that clients ask for."""

    provider: tuple[Name, ...] = Field(
        min_length=1,
        description="The provider that runs it, or a list of several that all do.",
        examples=["local", ["local", "office"]],
        json_schema_extra=_one_or_list,
    )
    model: UpstreamName | None = Field(
        None,
        description="The provider's own name for it. Default: the public name; for ollama-cloud "
        "without its -cloud suffix, which ollama.com itself does not know.",
        examples=["Qwen/Qwen2.5-Coder-7B-Instruct"],
    )
    strategy: Strategy | None = Field(
        None, description="Instead of the stack's strategy.", examples=["least-busy"]
    )
    create: Create | None = Field(
        None,
        description="Makes the model on the hosts of an ollama provider, instead of pulling it.",
        examples=[{"from": "llama3.2", "system": "You help with code."}],
    )
    capabilities: tuple[Capability, ...] = Field(
        ("chat",),
        min_length=1,
        description="What it can do; each is proven by a request. A model answers in one way: "
        "'chat', with 'vision', 'tools' and 'thinking' where it has them, or one of 'embedding', "
        "'transcription', 'speech', 'rerank' and 'image', alone.",
        examples=[["chat", "tools"]],
    )
    thinking: Thinking | None = Field(
        None,
        description="Of a model with the capability 'thinking'.",
        examples=[{"default": "low", "most": "medium"}],
    )
    on_refusal: Literal["answer", "next"] = Field(
        "answer",
        description="What becomes of a request that it refuses as wrong, or that needs eyes where "
        "it has none: the client is told (answer), or the next model of the chain or the tier is "
        "asked (next), also one outside the house.",
        examples=["next"],
    )
    defaults: Defaults = Field(
        Defaults(),
        description="Parameters of requests that do not give them.",
        examples=[{"temperature": 0.3}],
    )
    drop: tuple[ParameterName, ...] = Field(
        (),
        description="Parameters of clients' requests that are left out.",
        examples=[["tool_choice"]],
    )
    max_tokens: int | None = Field(
        None,
        ge=1,
        description="Most tokens of an answer, whatever clients ask for.",
        examples=[16384],
    )
    client_options: tuple[ParameterName, ...] = Field(
        (),
        description="What clients may set of the server that runs it, for everybody: num_ctx, "
        "keep_alive and the like. Otherwise these are left out.",
        examples=[["keep_alive"]],
    )
    extra_body: ExtraBody = Field(
        default_factory=dict,
        description="Fields that its provider gets with each request, as OpenAI's SDK has them: "
        "those of the server that no other key is for. A client's field of that name stays.",
        examples=[{"chat_template_kwargs": {"preserve_thinking": True}}],
    )
    context_length: int | None = Field(
        None,
        ge=256,
        description="Tokens of context, on an ollama provider: baked into the model, because "
        "OpenAI's API cannot ask for it. Default: OLLAMA_CONTEXT_LENGTH.",
        examples=[16384],
    )
    dimensions: int | None = Field(
        None,
        gt=0,
        description="Length of an embedding model's vectors; proven when given.",
        examples=[768],
    )
    preload: bool = Field(
        False,
        description="On an ollama provider: loaded whenever the server starts.",
        examples=[True],
    )
    gpu_split: bool = Field(
        False,
        description="On an ollama provider: may lie partly in the host's memory. Otherwise the "
        "proof fails unless all of it is on GPUs.",
        examples=[True],
    )
    min_tokens_per_second: float | None = Field(
        None,
        gt=0,
        description="On an ollama provider: the least speed of generation that the proof accepts.",
        examples=[30],
    )
    explicit_only: bool = Field(
        False,
        description="Served only to those who ask for it by name: stands in no chain, tier or mix, "
        "and does not take the default chain.",
        examples=[True],
    )
    price: Price | None = Field(
        None,
        description="What it costs. Default: nothing on Ollama and vLLM; at other providers what "
        "LiteLLM's list of prices says.",
        examples=[{"input": 0.15, "output": 0.6}],
    )
    log_content: bool = Field(
        False,
        description="Whether gateways keep what it is asked and answers, in content.jsonl beside "
        "the log of requests.",
        examples=[True],
    )
    timeout: Seconds | None = Field(
        None, description="Instead of the provider's timeout, in seconds.", examples=[60]
    )
    first_token_timeout: Seconds | None = Field(
        None,
        description="Instead of the provider's first_token_timeout, in seconds.",
        examples=[10],
    )
    stream_timeout: Seconds | None = Field(
        None, description="Instead of the provider's stream_timeout, in seconds.", examples=[10]
    )
    max_parallel_requests: int | None = Field(
        None,
        gt=0,
        description="Most requests at a time on each instance; what is more goes to the next "
        "instance, or along the chain.",
        examples=[4],
    )
    rpm: int | None = Field(
        None, gt=0, description="Most requests a minute on each instance.", examples=[60]
    )
    tpm: int | None = Field(
        None,
        gt=0,
        description="Most tokens a minute on each instance, of prompts and answers.",
        examples=[100_000],
    )

    @model_validator(mode="after")
    def _check_thinking(self) -> Model:
        if self.thinking and "thinking" not in self.capabilities:
            raise ValueError("'thinking' is for models with that capability; add it to them")
        return self

    @field_validator("provider", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value
