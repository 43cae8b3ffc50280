"""The base of all kinds of provider in ``stack.yaml``.

A provider says how it is asked (addresses, paths, forms of requests) and what of it runs on our own
hosts (its group and its instances). Beside the members in this file, each kind has ``remote``: the
provider itself if it is somebody else's server, or None if it runs on our own hosts.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from pydantic import Field

from llmrack.problems import CauseAndWayOut
from llmrack.stack.fleet import Host
from llmrack.stack.instances import Instance
from llmrack.stack.kinds import Kind
from llmrack.stack.models import Model
from llmrack.stack.types import Closed, Seconds, is_wildcard

# The levels of thinking that a model is asked by unless it is declared otherwise.
USUAL_LEVELS = ("low", "medium", "high")


class BaseProvider(Closed, ABC):
    """What providers of all kinds have in common.

    + title: its name for people
    + dialect: the form of requests to it, as the gateway calls it (requests/rules.py)
    + speaks_openai: whether LiteLLM asks it for chats in OpenAI's form
    + kinds: the kinds of answer that it can give
    + is_paid: whether requests to it cost money
    + in_price_list: whether LiteLLM's list of prices may know its models
    + takes_openai_chats: whether ``chat_path`` takes chats in OpenAI's form
    + loaded_path: the path that lists its loaded models; None if there is none
    + describe_path: the path that describes one model; None if there is none
    + lists_every_name: whether a name that its list leaves out is a mistake
    + may_serve_unlisted: whether it may serve models that its own list leaves out
    """

    title: ClassVar[str]
    dialect: ClassVar[str]
    speaks_openai: ClassVar[bool] = True
    kinds: ClassVar[tuple[Kind, ...]]
    is_paid: ClassVar[bool] = False
    in_price_list: ClassVar[bool] = False
    takes_openai_chats: ClassVar[bool] = True
    loaded_path: ClassVar[str | None] = None
    describe_path: ClassVar[str | None] = None
    may_serve_unlisted: ClassVar[bool] = False
    lists_every_name: ClassVar[bool] = True

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
    tpm: int | None = Field(
        None,
        gt=0,
        description="Most tokens a minute, of prompts and answers, for each model on each "
        "instance. The request that goes beyond is answered; those after it are not.",
        examples=[100_000],
    )
    health_check: bool = Field(
        True,
        description="Whether the gateway watches it: a sign of life each second, and a short "
        "answer before it is used again after a failure.",
        examples=[False],
    )

    @property
    def runs_on(self) -> str | None:
        """The inventory group whose hosts run it; None if somebody else runs it."""
        return None

    def instances(self, host: Host) -> tuple[Instance, ...]:
        """Its instances on ``host``."""
        return ()

    @property
    def engine(self) -> str:
        """The form of requests to it, as the gateway calls it."""
        return self.dialect

    def gives(self, kind: Kind) -> bool:
        """Whether it can give this kind of answer."""
        return kind in self.kinds

    def client(self, kind: Kind, prefix: str) -> str:
        """The client that LiteLLM takes for requests of ``kind``: http, openai, azure, or its own.

        + prefix: LiteLLM's, as ``litellm`` has returned it
        """
        return "openai" if prefix == "openai" else "http"

    def address(self, url: str) -> str | None:
        """LiteLLM's ``api_base`` for the base address of an instance; None if it knows that."""
        return url

    @property
    def keyless(self) -> str | None:
        """LiteLLM's ``api_key`` if there is no secret; None to leave it out."""
        return "none"

    @property
    def parameters(self) -> Mapping[str, str]:
        """More of LiteLLM's parameters, with references to secrets."""
        return {}

    @property
    def address_variables(self) -> tuple[str, ...]:
        """Environment variables that would lead LiteLLM's requests for it elsewhere."""
        return ()

    @property
    def lists_models(self) -> bool:
        """Whether it can be asked for a list of its models."""
        return True

    def lacking(self) -> Iterable[CauseAndWayOut]:
        """Cause and way out for each thing that it needs and that is not declared."""
        return ()

    @property
    def needs_models(self) -> bool:
        """Whether it is useless unless a model is declared of it."""
        return True

    @property
    def secrets(self) -> tuple[str, ...]:
        """Names of the secrets that are sent to it."""
        return ()

    @property
    @abstractmethod
    def list_path(self) -> str:
        """Where it lists its models, below its base address."""

    @property
    @abstractmethod
    def chat_path(self) -> str:
        """Where it takes chats, below its base address."""

    @property
    def unusual_chat_path(self) -> str | None:
        """``chat_path`` if it differs from the one that LiteLLM uses by itself; else None."""
        return None

    @property
    def version_url(self) -> str | None:
        """The URL at which somebody else's server says its version; None if there is none."""
        return None

    @abstractmethod
    def litellm(self, kind: Kind, url: str) -> tuple[str, str]:
        """LiteLLM's prefix for requests of ``kind``, and the base address that goes with it.

        + url: the base address of the instance
        """

    @abstractmethod
    def watched(self, url: str) -> tuple[str, str]:
        """Base address and path of a cheap request; ``*`` watches the server as a whole.

        + url: the address that ``litellm`` has returned
        """

    def upstream(self, name: str, model: Model) -> str:
        """The name by which it knows the model that is served as ``name``."""
        if model.model is not None:
            return model.model
        return name.rsplit("/", 1)[-1] if is_wildcard(name) else name

    def full_name(self, name: str) -> str:
        """A model's full name; names that mean the same model to it have the same full name."""
        return name

    def listed_name(self, name: str) -> str:
        """The name in requests for the model that its list calls ``name``."""
        return name

    def levels(self, upstream: str) -> tuple[str, ...]:
        """The levels of thinking of its model ``upstream``; empty if thinking is only on or off."""
        return USUAL_LEVELS

    def wrong_levels(self, name: str, levels: Sequence[str]) -> CauseAndWayOut | None:
        """Cause and way out if it does not know these levels of thinking; else None.

        + name: the provider's own name
        """
        return None

    def wrong_name(self, upstream: str) -> CauseAndWayOut | None:
        """Cause and way out if it cannot know a model as ``upstream``; else None."""
        return None
