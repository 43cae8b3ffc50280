"""The base of providers that are somebody else's server, at an address."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator, Field, StringConstraints, field_validator, model_validator

from llmrack.problems import CauseAndWayOut
from llmrack.stack.provider import BaseProvider
from llmrack.stack.types import SECRET_NAME, Seconds, SecretName, no_reference

# A field name of HTTP (RFC 9110, 5.1), and a value without what could end its line.
HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")]
HeaderValue = Annotated[
    str,
    StringConstraints(pattern=r"^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$"),
    AfterValidator(no_reference),
]
UrlPath = Annotated[str, StringConstraints(pattern=r"^/[A-Za-z0-9._~/-]*$")]
# Names of parameters in an address whose values are keys.
_SECRET_PARAMETER = re.compile(
    r"(^|[-_])(key|apikey|token|secret|password|sig|signature)$", re.IGNORECASE
)
# Paths that are appended to a base address.
_ENDINGS = ("/chat/completions", "/completions", "/embeddings", "/responses", "/models")
# Headers that the gateway or the HTTP client sets.
_TAKEN_HEADERS = ("authorization", "host", "content-type", "content-length", "connection")


def _secret_name(value: Any) -> Any:  # noqa: ANN401  (pydantic hands over what the file holds)
    if value is not None and not (isinstance(value, str) and SECRET_NAME.fullmatch(value)):
        raise ValueError("is not the name of a secret (capital letters, digits and _)")
    return value


def _base_url(value: str) -> str:
    # A path and a query as RFC 3986 has them (3.3, 3.4).
    fits = re.fullmatch(
        r"https?://[A-Za-z0-9._\-\[\]:]+(/([A-Za-z0-9._~/!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*)?"
        r"(\?([A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*)?",
        value,
    )
    try:
        # urlsplit reads brackets and the port, and refuses impossible ones.
        if not fits or not urlsplit(value).hostname or urlsplit(value).port == 0:
            raise ValueError
    except ValueError:
        raise ValueError("is not an http:// or https:// address") from None
    base, _, query = value.partition("?")
    for name, _ in parse_qsl(query, keep_blank_values=True):
        if _SECRET_PARAMETER.search(name):
            raise ValueError(
                f"has a secret in its query ({name}); take it out, keep it as a secret, and name "
                "that in api_key or secret_headers"
            )
    return base.rstrip("/") + (f"?{query}" if query else "")


class RemoteProvider(BaseProvider):
    """A server that somebody else runs, at an address."""

    url: str = Field(
        description="Base address of the service. A query in it is sent with every request.",
        examples=["http://10.0.0.7:11434"],
    )
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
    def _check_headers(self) -> RemoteProvider:
        names = [name.lower() for name in (*self.headers, *self.secret_headers)]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"the header {name} stands there twice; keep one of them")
        return self

    @model_validator(mode="after")
    def _check_tls(self) -> RemoteProvider:
        if self.tls_ca and not self.tls_verify:
            raise ValueError("'tls_ca' verifies what 'tls_verify: false' does not; keep one")
        if (self.tls_ca or not self.tls_verify) and not (self.base or "https://").startswith(
            "https://"
        ):
            raise ValueError(
                "'tls_ca' and 'tls_verify' are for https:// addresses; leave them out, or correct "
                "the address"
            )
        return self

    @property
    def remote(self) -> RemoteProvider:
        """The provider itself."""
        return self

    @property
    def base(self) -> str:
        """Its address without the query; paths are appended to it."""
        return self.url.partition("?")[0]

    @property
    def query(self) -> str:
        """The query of its address, which goes with every request; empty if there is none."""
        return self.url.partition("?")[2]

    def at(self, path: str) -> str:
        """The URL of a path below its address, with its query."""
        return f"{self.base}{path}?{self.query}" if self.query else f"{self.base}{path}"

    @property
    def secrets(self) -> tuple[str, ...]:
        """Names of the secrets that are sent to it."""
        return (*([self.api_key] if self.api_key else []), *self.secret_headers.values())

    @property
    def takes_bearer(self) -> bool:
        """Whether its key is a bearer token."""
        return True

    @property
    def key_header(self) -> str:
        """The header that has the key in requests of llmrack's own."""
        return "authorization"

    @property
    def own_headers(self) -> Mapping[str, str]:
        """Headers that requests of llmrack's own need beside the declared ones."""
        return {}

    def place_of(self, secret: str) -> str:
        """The key of its declaration that names a secret."""
        if secret == self.api_key:
            return "api_key"
        return "secret_headers" if secret in self.secret_headers.values() else "secret_settings"

    @property
    def list_path(self) -> str:
        """As OpenAI's API has it."""
        return "/models"

    @property
    def chat_path(self) -> str:
        """As OpenAI's API has it."""
        return "/chat/completions"

    def watched(self, url: str) -> tuple[str, str]:
        """Its list of models."""
        return self.base, self.list_path

    @abstractmethod
    def wrong_url(self) -> CauseAndWayOut | None:
        """Cause and way out of a wrong address that LiteLLM would only show as a 404; else None."""

    def appended_twice(self) -> CauseAndWayOut | None:
        """Cause and way out if its address ends in a path that is appended to it; else None."""
        path = urlsplit(self.url).path
        ending = next((end for end in _ENDINGS if path.endswith(end)), "")
        if not ending:
            return None
        return f"ends in {ending}, which is appended to it", f"leave {ending} out"


class PaidProvider(RemoteProvider):
    """A service that is paid for by use."""

    is_paid: ClassVar[bool] = True

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
