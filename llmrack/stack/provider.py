"""What every kind of provider in ``stack.yaml`` has, and what it answers to who asks about it.

Two kinds of question are put to a provider: how it is asked (addresses, paths, forms of requests),
and what of it runs on our own hosts (its group and its instances). Beside what stands in this file,
each kind has ``remote``: how somebody else's server is reached, or None for what runs on our hosts.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from llmrack.stack.fleet import Host
from llmrack.stack.instances import Instance
from llmrack.stack.kinds import Kind
from llmrack.stack.models import Model
from llmrack.stack.types import Closed, Seconds, is_wildcard

# Why something cannot be as it is declared, and what to do.
CauseAndWayOut = tuple[str, str]
# The levels of thinking that a model is asked by unless it is declared otherwise.
USUAL_LEVELS = ("low", "medium", "high")


class BaseProvider(Closed, ABC):
    """What providers of all kinds have in common.

    + title: who answers there, for people
    + dialect: whose form requests to it have, as the gateway calls it (request_rules.py)
    + speaks_openai: whether LiteLLM asks it for chats in OpenAI's form
    + kinds: the kinds of answer that it can give
    + is_paid: whether requests to it cost money
    + in_price_list: whether LiteLLM's list of prices may know its models
    + takes_openai_chats: whether ``chat_path`` takes chats in OpenAI's form
    + loaded_path: where it says what it has loaded; None where it does not say
    + describe_path: where it describes one model; None where it does not
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

    @property
    def runs_on(self) -> str | None:
        """The inventory group whose hosts run it; None for what somebody else runs."""
        return None

    def instances(self, host: Host) -> tuple[Instance, ...]:
        """What of it runs on ``host``."""
        return ()

    @property
    def needs_models(self) -> bool:
        """Whether it is of no use without a model that is declared of it."""
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
        """``chat_path`` where LiteLLM does not know it by itself."""
        return None

    @property
    def version_url(self) -> str | None:
        """Where somebody else's server says its version; None where it does not."""
        return None

    @abstractmethod
    def litellm(self, kind: Kind, url: str) -> tuple[str, str]:
        """LiteLLM's prefix for requests of ``kind``, and the base address that goes with it.

        + url: the base address of the instance
        """

    @abstractmethod
    def watched(self, url: str) -> tuple[str, str]:
        """Base address and path of what is cheap to ask; ``*`` for the server as a whole.

        + url: the address that ``litellm`` has returned
        """

    def upstream(self, name: str, model: Model) -> str:
        """The name by which it knows the model that is served as ``name``."""
        if model.model is not None:
            return model.model
        return name.rsplit("/", 1)[-1] if is_wildcard(name) else name

    def full_name(self, name: str) -> str:
        """A model's name, written out: the same for all names that mean the same to it."""
        return name

    def listed_name(self, name: str) -> str:
        """The name by which a model can be asked for that its list calls ``name``."""
        return name

    def levels(self, upstream: str) -> tuple[str, ...]:
        """The levels of thinking that its model ``upstream`` is asked by; none: only on or off."""
        return USUAL_LEVELS

    def wrong_levels(self, name: str, levels: Sequence[str]) -> CauseAndWayOut | None:
        """Why it cannot be asked for these levels of thinking.

        + name: the provider's own name
        """
        return None

    def wrong_name(self, upstream: str) -> CauseAndWayOut | None:
        """Why it cannot know a model that is declared as ``upstream``."""
        return None
