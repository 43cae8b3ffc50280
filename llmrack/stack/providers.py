"""The shape of ``providers:`` in ``stack.yaml``: where models run, and how that is reached."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StringConstraints, field_validator, model_validator

from llmrack.stack.types import Closed, Seconds, no_reference

_SECRET_NAME = re.compile(r"^[A-Z][A-Z0-9_]{0,99}$")
# A field name of HTTP (RFC 9110, 5.1), and a value without what could end its line.
HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")]
HeaderValue = Annotated[
    str,
    StringConstraints(pattern=r"^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$"),
    AfterValidator(no_reference),
]
SecretName = Annotated[str, StringConstraints(pattern=_SECRET_NAME.pattern)]
UrlPath = Annotated[str, StringConstraints(pattern=r"^/[A-Za-z0-9._~/-]*$")]
# Headers that something else decides.
_TAKEN_HEADERS = ("authorization", "host", "content-type", "content-length", "connection")


class _Provider(Closed):
    enabled: bool = Field(
        True,
        description="Whether gateways use it; what only it serves is not served when they do not.",
        examples=[False],
    )
    priority: int = Field(
        1,
        ge=1,
        le=10,
        description="Among the instances of a model those with the lowest number serve; the next "
        "ones when none of them can.",
        examples=[2],
    )
    weight: float = Field(
        1,
        gt=0,
        description="Share of the requests, relative to the others of the same priority.",
        examples=[3],
    )
    timeout: Seconds = Field(
        3600,
        description="Seconds that a whole answer may take when it is not streamed.",
        examples=[60],
    )
    connect_timeout: Seconds = Field(
        3,
        description="Seconds that a connection may take to come about, and for which the other "
        "side's TCP may be silent on an open one.",
        examples=[1],
    )
    first_token_timeout: Seconds | None = Field(
        None,
        description="Seconds to the first token of a chat, streamed or not, after which somebody "
        "else is asked. Leave it out where models load before they answer. Default: as long as "
        "'timeout' says.",
        examples=[5],
    )
    stream_timeout: Seconds = Field(
        60,
        description="Seconds from one token of a streamed answer to the next.",
        examples=[30],
    )
    max_parallel_requests: int | None = Field(
        None,
        gt=0,
        description="Most requests at a time for each model on each instance.",
        examples=[4],
    )
    rpm: int | None = Field(
        None,
        gt=0,
        description="Most requests a minute for each model on each instance.",
        examples=[60],
    )
    health_check: bool = Field(
        True,
        description="Whether the gateway watches it: a sign of life each second, and a short "
        "answer before it is used again after a failure.",
        examples=[False],
    )


def _secret_name(value: Any) -> Any:  # noqa: ANN401  (pydantic hands over what the file holds)
    if value is not None and not (isinstance(value, str) and _SECRET_NAME.fullmatch(value)):
        raise ValueError("is not the name of a secret (capital letters, digits and _)")
    return value


def _base_url(value: str) -> str:
    # A path as RFC 3986 has it (3.3).
    fits = re.fullmatch(
        r"https?://[A-Za-z0-9._\-\[\]:]+(/([A-Za-z0-9._~/!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*)?", value
    )
    try:
        # It reads brackets and the port, and refuses those that cannot be.
        if fits and urlsplit(value).hostname and urlsplit(value).port != 0:
            return value.rstrip("/")
    except ValueError:
        pass
    raise ValueError("is not an http:// or https:// address")


class _WithUrl(_Provider):
    url: str = Field(description="Base address of the service.", examples=["http://10.0.0.7:11434"])
    api_key: str | None = Field(
        None,
        description="Name of the secret (docs/secrets.md) that is sent as bearer token.",
        examples=["VLLM_API_KEY"],
    )
    headers: dict[HeaderName, HeaderValue] = Field(
        default_factory=dict,
        description="Headers of every request to it; not for secrets.",
        examples=[{"X-Client-ID": "rack1"}],
    )
    secret_headers: dict[HeaderName, SecretName] = Field(
        default_factory=dict,
        description="Headers whose values are secrets, by the names of those.",
        examples=[{"X-API-Key": "OFFICE_API_KEY"}],
    )
    tls_verify: bool = Field(
        True,
        description="Whether its certificate is verified. Without, anybody in between can read "
        "and change everything, the key too.",
        examples=[False],
    )
    tls_ca: str | None = Field(
        None,
        description="A PEM file, relative to the stack file, with the authority of its "
        "certificate. Default: those that the gateway's host trusts.",
        examples=["office-ca.pem"],
    )

    check_secret = field_validator("api_key", mode="before")(_secret_name)
    check_url = field_validator("url")(_base_url)

    @field_validator("headers", "secret_headers")
    @classmethod
    def _own_headers(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value:
            if name.lower() in _TAKEN_HEADERS:
                way_out = "use api_key" if name.lower() == "authorization" else "leave it out"
                raise ValueError(f"{name} is set by the gateway itself; {way_out}")
        return value

    @model_validator(mode="after")
    def _check_headers(self) -> _WithUrl:
        names = [name.lower() for name in (*self.headers, *self.secret_headers)]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"the header {name} stands there twice; keep one of them")
        return self

    @model_validator(mode="after")
    def _check_tls(self) -> _WithUrl:
        if self.tls_ca and not self.tls_verify:
            raise ValueError("'tls_ca' verifies what 'tls_verify: false' does not; keep one")
        if (self.tls_ca or not self.tls_verify) and not self.url.startswith("https://"):
            raise ValueError(
                "'tls_ca' and 'tls_verify' are for https:// addresses; leave them out, or correct "
                "the address"
            )
        return self

    @property
    def secrets(self) -> tuple[str, ...]:
        """Names of the secrets that are sent to it."""
        return (*([self.api_key] if self.api_key else []), *self.secret_headers.values())


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


class Paths(Closed):
    """Where a server answers what Ollama answers elsewhere, below its base address."""

    chat: UrlPath = Field("/api/chat", description="Chats.", examples=["/v2/chat"])
    models: UrlPath = Field("/api/tags", description="List of models.", examples=["/v2/models"])
    health: UrlPath = Field("/api/version", description="Signs of life.", examples=["/healthz"])


class OllamaRemoteProvider(_WithUrl):
    """An Ollama server somebody else runs."""

    kind: Literal["ollama-remote"]
    paths: Paths = Field(
        Paths(),
        description="Paths that differ from Ollama's own.",
        examples=[{"chat": "/ollama/chat"}],
    )


class _Paid(_WithUrl):
    timeout: Seconds = Field(
        600,
        description="Seconds that a whole answer may take when it is not streamed.",
        examples=[60],
    )
    health_check: bool = Field(
        False,
        description="Whether the gateway watches it by asking for its models and, after a "
        "failure, for a short answer, which costs what it costs.",
        examples=[True],
    )


class OllamaCloudProvider(_Paid):
    """Ollama Cloud, asked directly."""

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


class VllmProvider(_WithUrl):
    """A vLLM server; /chat/completions and the like are appended to its base address."""

    kind: Literal["vllm"]
    url: str = Field(
        description="Base address, which ends in /v1 unless something is in front of it.",
        examples=["http://10.0.0.8:8000/v1"],
    )


class OpenAICompatibleProvider(_Paid):
    """Any service that speaks OpenAI's API below its base address."""

    kind: Literal["openai-compatible"]
    url: str = Field(
        description="Base address, to which /chat/completions and the like are appended.",
        examples=["https://host/v1"],
    )


RemoteProvider = (
    OllamaRemoteProvider | OllamaCloudProvider | VllmProvider | OpenAICompatibleProvider
)
Provider = Annotated[OllamaProvider | RemoteProvider, Field(discriminator="kind")]
