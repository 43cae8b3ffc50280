"""The environment an Ollama server understands, typed.

Source: ollama/ollama envconfig/config.go at v0.33, without what only its client reads
(OLLAMA_EDITOR, OLLAMA_NOHISTORY), and discover/gpu.go for JETSON_JETPACK. Names that were removed
from it (OLLAMA_MULTIUSER_CACHE, OLLAMA_NEW_ENGINE at 0.30) are refused like any unknown name,
because the server would ignore them in silence.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from llmrack.shipped.gateway.misspelt import misspelt

# Go's duration, bare seconds, or a negative number for "for ever".
Duration = Annotated[
    str, StringConstraints(pattern=r"^-?([0-9]+|([0-9]+(\.[0-9]+)?(ms|s|m|h))+)$", max_length=40)
]
# ASCII without what systemd would read as its own.
Text = Annotated[str, StringConstraints(pattern=r"^[!#&(-\[\]^_a-~]*$")]
Count = Annotated[int, Field(ge=0)]
# What llama-server takes as --cache-type-k and -v (llama.cpp common/arg.cpp, kv_cache_types).
CacheType = Literal["f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl"]

# llmrack itself sets these from other settings; declared twice, they could differ.
MANAGED = {
    "OLLAMA_HOST": "ollama_bind and ollama_port",
    "OLLAMA_MODELS": "service_home",
    "HOME": "service_home",
}


class OllamaEnvironment(BaseModel):
    """Variables of the Ollama unit; unset ones keep the server's default."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    # Without it the context length follows the card's memory: the same box behaves differently
    # after a card swap (ollama/ollama#14073).
    OLLAMA_CONTEXT_LENGTH: int = Field(8192, ge=256)
    # Without it an instance asks ollama.com for recommendations every four hours, and passes a
    # request for NAME:cloud or NAME:TAG-cloud on to it although nobody declared that
    # (server/model_recommendations.go, server/routes.go). Ollama reads "0" as not set.
    OLLAMA_NO_CLOUD: bool = True
    OLLAMA_KEEP_ALIVE: Duration | None = None
    OLLAMA_LOAD_TIMEOUT: Duration | None = None
    OLLAMA_NUM_PARALLEL: Count | None = None
    OLLAMA_MAX_LOADED_MODELS: Count | None = None
    OLLAMA_MAX_QUEUE: Count | None = None
    OLLAMA_FLASH_ATTENTION: bool | None = None
    OLLAMA_KV_CACHE_TYPE: CacheType | None = None
    OLLAMA_SCHED_SPREAD: bool | None = None
    OLLAMA_GPU_OVERHEAD: Count | None = None
    OLLAMA_LLM_LIBRARY: Text | None = None
    OLLAMA_NOPRUNE: bool | None = None
    OLLAMA_ORIGINS: Text | None = None
    OLLAMA_REMOTES: Text | None = None
    OLLAMA_AUTH: bool | None = None
    OLLAMA_GO_TEMPLATE: bool | None = None
    OLLAMA_MAX_TRANSFER_STREAMS: Count | None = None
    # A level: 0 or False, 1 or True, 2 (with every piece of a request).
    OLLAMA_DEBUG: Annotated[int, Field(ge=0, le=2)] | None = None
    # It writes what clients ask to files.
    OLLAMA_DEBUG_LOG_REQUESTS: bool | None = None
    OLLAMA_VULKAN: bool | None = None
    OLLAMA_IGPU_ENABLE: bool | None = None
    CUDA_VISIBLE_DEVICES: Text | None = None
    ROCR_VISIBLE_DEVICES: Text | None = None
    HIP_VISIBLE_DEVICES: Text | None = None
    GPU_DEVICE_ORDINAL: Text | None = None
    GGML_VK_VISIBLE_DEVICES: Text | None = None
    HSA_OVERRIDE_GFX_VERSION: Text | None = None
    JETSON_JETPACK: Text | None = None
    # llama-server reads "1" and "0" as "on" and "off" (llama.cpp common/arg.cpp, is_truthy).
    LLAMA_ARG_FIT: bool | None = None
    # MiB of each card that stay free.
    LLAMA_ARG_FIT_TARGET: Count | None = None
    # Ollama pulls by HTTPS alone, and HTTP_PROXY may cut off its own client (docs/faq.mdx).
    HTTP_PROXY: Text | None = None
    HTTPS_PROXY: Text | None = None
    NO_PROXY: Text | None = None

    def variables(self, only_set: bool = False) -> dict[str, str]:
        """The variables with a value, as systemd's ``Environment=`` takes them.

        + only_set: leave out variables that nobody has set
        """
        values = self.model_dump(exclude_none=True, exclude_unset=only_set)
        return {
            name: str(int(value)) if isinstance(value, bool) else str(value)
            for name, value in sorted(values.items())
        }


# By custom, a variable whose name ends like this holds a secret.
_SECRET = re.compile(r"(^|_)(API_?KEY|ACCESS_KEY|PRIVATE_KEY|TOKEN|SECRET|PASSWORD|PASSWD)$")
# The prefix of llmrack's own variables in the unit's environment file.
_OWN_PREFIX = "LLMRACK_"


def _is_extra(name: str) -> str:
    """``name``, if no other setting sets it. Raises ValueError with a way out."""
    if name in MANAGED:
        raise ValueError(f"is set by llmrack itself; use {MANAGED[name]}")
    if name.startswith(_OWN_PREFIX):
        raise ValueError("is one of llmrack's own names; leave it out")
    if name in OllamaEnvironment.model_fields:
        raise ValueError("is a variable that llmrack knows; put it into ollama_environment")
    if _SECRET.search(name):
        raise ValueError(
            "has the name of a secret, and the environment file of Ollama's unit is for none; put "
            "it into a file of mode 0600, and name that as EnvironmentFile= in a drop-in"
        )
    return name


# A variable that Ollama or one of its libraries knows, and llmrack does not.
ExtraName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Z_][A-Z0-9_]*$", max_length=100),
    AfterValidator(_is_extra),
]


def unknown_variable(name: str) -> tuple[str, str]:
    """Cause and way out for an unknown variable in an environment of Ollama's."""
    if name in MANAGED:
        return "is set by llmrack itself", f"use {MANAGED[name]}"
    meant = misspelt(name, OllamaEnvironment.model_fields)
    way_out = (
        f"did you mean {meant!r}?"
        if meant
        else "leave it out, or put it into ollama_extra_environment if your Ollama knows it"
    )
    return "is no known variable of Ollama's server", way_out
