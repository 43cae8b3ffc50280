"""The environment an Ollama server understands, typed.

Source: ollama/ollama envconfig/config.go at v0.33; names that were removed from it
(OLLAMA_MULTIUSER_CACHE, OLLAMA_NEW_ENGINE at 0.30) are refused like any unknown name, because
the server would ignore them in silence.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

# Go's duration, bare seconds, or a negative number for "for ever".
Duration = Annotated[
    str, StringConstraints(pattern=r"^-?([0-9]+|([0-9]+(\.[0-9]+)?(ms|s|m|h))+)$", max_length=40)
]
# ASCII without what systemd would read as its own.
Text = Annotated[str, StringConstraints(pattern=r"^[!#&(-\[\]^_a-~]*$")]
Count = Annotated[int, Field(ge=0)]

# Set by llmrack itself, from other settings: saying them twice would let them differ.
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
    OLLAMA_KV_CACHE_TYPE: Literal["f16", "q8_0", "q4_0"] | None = None
    OLLAMA_SCHED_SPREAD: bool | None = None
    OLLAMA_GPU_OVERHEAD: Count | None = None
    OLLAMA_LLM_LIBRARY: Text | None = None
    OLLAMA_NOPRUNE: bool | None = None
    OLLAMA_ORIGINS: Text | None = None
    OLLAMA_REMOTES: Text | None = None
    OLLAMA_DEBUG: bool | None = None
    CUDA_VISIBLE_DEVICES: Text | None = None
    ROCR_VISIBLE_DEVICES: Text | None = None
    HIP_VISIBLE_DEVICES: Text | None = None
    HSA_OVERRIDE_GFX_VERSION: Text | None = None
    HTTPS_PROXY: Text | None = None
    NO_PROXY: Text | None = None

    def variables(self, only_set: bool = False) -> dict[str, str]:
        """The variables with a value, as systemd's ``Environment=`` takes them.

        + only_set: leave out those that have their default
        """
        values = self.model_dump(exclude_none=True, exclude_unset=only_set)
        return {
            name: str(int(value)) if isinstance(value, bool) else str(value)
            for name, value in sorted(values.items())
        }
