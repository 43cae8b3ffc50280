"""Everything of LiteLLM that the gateway's programs touch, and the only module that imports it.

LiteLLM documents few of these. When its version changes, look here first. It takes seconds to
import, and its environment has to be set before; so ``serve`` imports this module late.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import litellm

# Classes that are subclassed: callbacks, HTTP clients, and the stream of a completion.
from litellm.integrations.custom_logger import CustomLogger
from litellm.llms.custom_httpx.aiohttp_transport import LiteLLMAiohttpTransport
from litellm.llms.custom_httpx.http_handler import AsyncHTTPHandler

# The proxy's errors, and its interface of custom authentication.
from litellm.proxy._types import (
    ConfigGeneralSettings,
    LitellmUserRoles,
    ProxyException,
    UserAPIKeyAuth,
)
from litellm.proxy.auth.auth_utils import (
    fallback_target_model_name,
    get_model_from_request,
    get_request_route,
    iter_request_fallback_targets,
)
from litellm.proxy.auth.user_api_key_auth import user_api_key_auth
from litellm.proxy.common_utils.http_parsing_utils import _read_request_body as read_request_body

# The fields of its configuration.
from litellm.types.router import Deployment as ConfiguredDeployment
from litellm.types.router import LiteLLM_Params, RouterRateLimitError
from litellm.types.router import ModelInfo as ConfiguredModelInfo
from litellm.types.utils import ModelInfo, TextCompletionResponse, all_litellm_params
from litellm.utils import LiteLLMResponseObjectHandler, TextCompletionStreamWrapper

__all__ = [
    "OPENAI_CHAT_COMPLETION_PARAMS",
    "PACKAGE",
    "AsyncHTTPHandler",
    "BadRequestError",
    "Call",
    "ConfigGeneralSettings",
    "ConfiguredDeployment",
    "ConfiguredModelInfo",
    "ContentPolicyViolationError",
    "ContextWindowExceededError",
    "CustomLogger",
    "InternalServerError",
    "LiteLLMAiohttpTransport",
    "LiteLLMResponseObjectHandler",
    "LiteLLM_Params",
    "LitellmUserRoles",
    "MidStreamFallbackError",
    "ModelInfo",
    "ProxyException",
    "Router",
    "RouterRateLimitError",
    "TextCompletionResponse",
    "TextCompletionStreamWrapper",
    "Timeout",
    "UnprocessableEntityError",
    "UserAPIKeyAuth",
    "all_litellm_params",
    "ask_by_chats_only",
    "azure_client",
    "call",
    "fallback_target_model_name",
    "flush_logs",
    "get_model_from_request",
    "get_request_route",
    "has_cache",
    "iter_request_fallback_targets",
    "litellm",
    "proxy",
    "read_request_body",
    "replace_call",
    "router",
    "stream_chunk_builder",
    "supported_parameters",
    "user_api_key_auth",
]

Call = Callable[..., Awaitable[Any]]

PACKAGE = Path(litellm.__file__).parent

# The exceptions that it raises; each is a subclass of one of OpenAI's.
BadRequestError = litellm.BadRequestError
ContentPolicyViolationError = litellm.ContentPolicyViolationError
ContextWindowExceededError = litellm.ContextWindowExceededError
InternalServerError = litellm.InternalServerError
MidStreamFallbackError = litellm.exceptions.MidStreamFallbackError
Timeout = litellm.Timeout
UnprocessableEntityError = litellm.UnprocessableEntityError

Router = litellm.Router
OPENAI_CHAT_COMPLETION_PARAMS = litellm.OPENAI_CHAT_COMPLETION_PARAMS
stream_chunk_builder = litellm.stream_chunk_builder


def call(name: str) -> Call:
    """One of its calls, such as ``acompletion``."""
    function: Call = getattr(litellm, name)
    return function


def replace_call(name: str, function: Call) -> None:
    """Have its router call ``function`` instead: the router looks a call up in the module."""
    setattr(litellm, name, function)


def has_cache() -> bool:
    """Whether it keeps answers, and answers a request that comes again by itself."""
    return litellm.cache is not None


def proxy() -> Any:  # noqa: ANN401  (FastAPI)
    """The proxy's application."""
    from litellm.proxy.proxy_server import app

    return app


def router() -> Any:  # noqa: ANN401  (its Router)
    """The router of the proxy, once it has read its configuration."""
    from litellm.proxy.proxy_server import llm_router

    return llm_router


def azure_client(params: dict[str, Any], http: Any) -> Any:  # noqa: ANN401  (OpenAI's SDK)
    """The client that LiteLLM makes for Azure, with ``http`` beneath.

    + params: LiteLLM's parameters of the deployment
    """
    from litellm.llms.azure.common_utils import BaseAzureLLM

    made: Any = BaseAzureLLM().get_azure_openai_client(
        api_key=params.get("api_key"),
        api_base=params.get("api_base"),
        api_version=params.get("api_version"),
        litellm_params=params,
        _is_async=True,
    )
    return made.with_options(http_client=http, max_retries=0, timeout=None)


def ask_by_chats_only() -> None:
    """Have requests of /v1/messages become chats for Anthropic's own API, too."""
    from litellm.utils import ProviderConfigManager

    none = staticmethod(lambda *_, **__: None)
    ProviderConfigManager.get_provider_anthropic_messages_config = none


def supported_parameters(model: str) -> set[str]:
    """OpenAI's parameters that LiteLLM translates for a model; it drops others in silence."""
    return set(litellm.get_supported_openai_params(model) or ())


async def flush_logs() -> None:
    """Wait until its callbacks have been called for every request that is over."""
    from litellm.litellm_core_utils.logging_worker import GLOBAL_LOGGING_WORKER

    await GLOBAL_LOGGING_WORKER.flush()
