"""The kind ``litellm``: services whose API LiteLLM itself knows, such as Anthropic's or Bedrock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, ClassVar, Literal
from urllib.parse import parse_qsl

from pydantic import AfterValidator, Field, StringConstraints, field_validator, model_validator

from llmrack.problems import CauseAndWayOut, nearest
from llmrack.shipped.gateway.misspelt import misspelt
from llmrack.stack.kinds import Kind
from llmrack.stack.litellm_facts import ProviderFacts, litellm_version, provider_facts
from llmrack.stack.remote_provider import PaidProvider
from llmrack.stack.types import SecretName, no_reference

# Prefixes of servers that have a kind of their own, which knows more of them.
KIND_OF_PREFIX = {
    "openai": "openai-compatible",
    "openai_like": "openai-compatible",
    "custom_openai": "openai-compatible",
    "aiohttp_openai": "openai-compatible",
    "text-completion-openai": "openai-compatible",
    "hosted_vllm": "vllm",
    "vllm": "vllm",
    "ollama": "ollama-remote",
    "ollama_chat": "ollama-remote",
}
SettingName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]
SettingText = Annotated[
    str, StringConstraints(min_length=1, max_length=1000), AfterValidator(no_reference)
]
# Azure's, which LiteLLM takes as a parameter and not in the address.
_API_VERSION = "api-version"


class LiteLLMProvider(PaidProvider):
    """A service that LiteLLM asks in the service's own form."""

    title: ClassVar[str] = "LiteLLM"
    dialect: ClassVar[str] = "litellm"
    kinds: ClassVar[tuple[Kind, ...]] = ("chat", "embedding")
    in_price_list: ClassVar[bool] = True
    may_serve_unlisted: ClassVar[bool] = True
    # Anthropic lists names with a date, and takes them without one (docs of its Models API).
    lists_every_name: ClassVar[bool] = False

    kind: Literal["litellm"]
    prefix: str = Field(
        description="LiteLLM's name of the service: what stands before the slash in its names of "
        "models.",
        examples=["anthropic"],
    )
    url: str = Field(
        "",
        description="Base address, as LiteLLM's 'api_base'. Default: the one that LiteLLM knows.",
        examples=["https://x.openai.azure.com"],
    )
    settings: dict[SettingName, SettingText] = Field(
        default_factory=dict,
        description="LiteLLM's parameters of the service that are no secrets.",
        examples=[{"aws_region_name": "eu-central-1"}],
    )
    secret_settings: dict[SettingName, SecretName] = Field(
        default_factory=dict,
        description="LiteLLM's parameters of the service whose values are secrets, by the names "
        "of those.",
        examples=[{"aws_secret_access_key": "AWS_SECRET_ACCESS_KEY"}],
    )

    @field_validator("prefix")
    @classmethod
    def _known_prefix(cls, value: str) -> str:
        if kind := KIND_OF_PREFIX.get(value):
            raise ValueError(f"has a kind of its own; write kind: {kind}, and no prefix")
        if value not in provider_facts():
            prefixes = set(provider_facts()) - set(KIND_OF_PREFIX)
            cause = f"{value!r} is no provider of chats or embeddings in LiteLLM"
            raise ValueError(f"{cause} {litellm_version()}; {nearest(value, prefixes)}")
        return value

    @model_validator(mode="after")
    def _check_settings(self) -> LiteLLMProvider:
        known = self.facts.settings
        for name in (*self.settings, *self.secret_settings):
            if name in ("api_key", "api_base"):
                field = "api_key" if name == "api_key" else "url"
                raise ValueError(f"{name!r} has a field of its own; use {field!r}")
            if name not in known:
                meant = misspelt(name, known)
                raise ValueError(
                    f"LiteLLM {litellm_version()} knows no setting {name!r} of {self.prefix}; "
                    + (f"did you mean {meant!r}?" if meant else "leave it out")
                )
            if name in self.settings and name in self.facts.secrets:
                raise ValueError(
                    f"the setting {name!r} is a secret; put its value into a secret, and name "
                    "that in 'secret_settings'"
                )
            if name in self.settings and name in self.secret_settings:
                raise ValueError(f"the setting {name!r} stands there twice; keep one of them")
        return self

    @property
    def facts(self) -> ProviderFacts:
        """What LiteLLM knows of the service."""
        return provider_facts()[self.prefix]

    @property
    def base(self) -> str:
        """The declared address without its query, or the one that LiteLLM knows; else empty."""
        return super().base or self.facts.base or ""

    @property
    def query(self) -> str:
        """Nothing: LiteLLM takes the version of Azure's API as a parameter."""
        return ""

    @property
    def engine(self) -> str:
        """OpenAI's form of requests, where LiteLLM uses that."""
        return "openai" if self.facts.openai and self.facts.header == "bearer" else "litellm"

    def gives(self, kind: Kind) -> bool:
        """Whether LiteLLM has this kind of answers of the service."""
        return kind in self.facts.kinds

    def client(self, kind: Kind, prefix: str) -> str:
        """The client that LiteLLM takes; its own, if it alone knows the address."""
        client = self.facts.kinds.get(kind, "own")
        return "own" if client != "http" and not self.base else client

    def address(self, url: str) -> str | None:
        """None if LiteLLM itself knows the address."""
        return super().base or None

    @property
    def address_variables(self) -> tuple[str, ...]:
        """Those that LiteLLM reads; it reads none beside a declared address."""
        return () if self.url else self.facts.addresses

    @property
    def keyless(self) -> str | None:
        """The word ``none`` at an address of its own; nothing beside other credentials or a role.

        AWS's services take a key for a token, and nothing for the role of the machine.
        """
        return "none" if self.url and not self.secret_settings and not self._is_of_aws else None

    @property
    def _is_of_aws(self) -> bool:
        return "aws_access_key_id" in self.facts.needs

    @property
    def parameters(self) -> dict[str, str]:
        """LiteLLM's parameters, with references to secrets."""
        version = dict(parse_qsl(super().query)).get(_API_VERSION)
        in_query = {"api_version": version} if version else {}
        hidden = {name: f"os.environ/{key}" for name, key in self.secret_settings.items()}
        return in_query | self.settings | hidden

    @property
    def secrets(self) -> tuple[str, ...]:
        """Those of its settings, too."""
        return (*super().secrets, *self.secret_settings.values())

    @property
    def takes_bearer(self) -> bool:
        """As LiteLLM sends the key."""
        return self.facts.header == "bearer"

    @property
    def own_headers(self) -> Mapping[str, str]:
        """The headers of its list of models."""
        return self.facts.list.headers if self.facts.list else {}

    @property
    def key_header(self) -> str:
        """The header that has the key in requests for its list of models."""
        return self.facts.list.header if self.facts.list else "authorization"

    @property
    def lists_models(self) -> bool:
        """Whether its list of models is known: to LiteLLM, or because it has OpenAI's form."""
        return bool(self.base and (self.facts.list or self.engine == "openai"))

    @property
    def list_path(self) -> str:
        """As LiteLLM knows it, or as OpenAI's API has it."""
        listed = self.facts.list
        if listed is None:
            return "/models"
        # A declared address may have the version of the API already, as in /v1.
        version, _, rest = listed.path.removeprefix("/").partition("/")
        return f"/{rest}" if rest and self.base.endswith(f"/{version}") else listed.path

    def litellm(self, kind: Kind, url: str) -> tuple[str, str]:
        """The declared prefix for everything."""
        return self.prefix, url

    def listed_name(self, name: str) -> str:
        """Google's services list what they call gemini-x as models/gemini-x."""
        return name.removeprefix("models/")

    def wrong_levels(self, name: str, levels: Sequence[str]) -> CauseAndWayOut | None:
        """LiteLLM translates levels, and has no switch."""
        if levels:
            return None
        return (
            f"LiteLLM has no switch for thinking, and {name!r} is asked through it",
            "name the levels that the model knows, or leave 'levels' out",
        )

    def wrong_url(self) -> CauseAndWayOut | None:
        """LiteLLM cannot be told of a query, except for the version of Azure's API."""
        others = [name for name, _ in parse_qsl(super().query) if name != _API_VERSION]
        if others:
            cause = f"has {', '.join(others)} in its query, which LiteLLM cannot send"
            return cause, "leave it out, or use kind: openai-compatible if the service speaks that"
        if self.health_check and not (self.lists_models and self.takes_bearer):
            cause = "is not known to have a list of models, which 'health_check' would ask for"
            return cause, "leave 'health_check' out"
        return self.appended_twice()

    def lacking(self) -> Iterator[CauseAndWayOut]:
        """Cause and way out for each thing that LiteLLM needs and that is not declared."""
        given = {*self.parameters, *(["api_key"] if self.api_key else [])}
        given |= {"api_base"} if self.url else set()
        lacking = {name: env for name, env in self.facts.needs.items() if name not in given}
        credentials = {"api_key", *self.facts.secrets}
        roles = [name for name in self.settings if name.endswith(("_role_name", "_profile_name"))]
        others = [name for name in given & credentials if name not in self.facts.needs]
        # Without any credentials, LiteLLM takes the role that AWS gives the gateway's machine.
        has_machines_role = self._is_of_aws and not given & credentials
        for name, variable in lacking.items():
            # A key may also be a role, a token, or nothing at an address of one's own.
            if name in credentials and (
                roles or others or has_machines_role or (name == "api_key" and self.url)
            ):
                continue
            called = f" ({variable})" if variable else ""
            field = {"api_key": "api_key", "api_base": "url"}.get(name)
            if field is None:
                field = f"secret_settings.{name}" if name in credentials else f"settings.{name}"
            is_secret = field == "api_key" or name in credentials
            example = variable or f"{self.prefix.upper().replace('-', '_')}_API_KEY"
            way_out = f"name the secret, as in {field}: {example}" if is_secret else f"add {field}"
            yield f"LiteLLM needs {name}{called} for {self.prefix}, and it is not declared", way_out
