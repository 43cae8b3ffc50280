"""Parameters: of a model that is made, and of the requests that a model answers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from llmrack.stack.types import Closed

# From least to most (shipped/gateway/requests/thinking.py knows the same order).
Level = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
# A parameter of a request, in the words of its API.
ParameterName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]


class Parameters(Closed):
    """PARAMETER lines of a Modelfile, by their own names (ollama/ollama docs/modelfile.mdx)."""

    num_ctx: int | None = Field(None, ge=256, description="Context length in tokens.")
    num_predict: int | None = Field(None, description="Most tokens of an answer; -1: no limit.")
    num_keep: int | None = Field(None, description="Tokens of the prompt that are kept.")
    num_batch: int | None = Field(None, gt=0, description="Batch size of prompt processing.")
    num_gpu: int | None = Field(None, description="Layers on the GPU; unset: Ollama decides.")
    main_gpu: int | None = Field(None, ge=0, description="GPU of the small tensors.")
    num_thread: int | None = Field(None, ge=0, description="Threads of the CPU.")
    use_mmap: bool | None = Field(None, description="Whether the file is mapped into memory.")
    seed: int | None = Field(None, description="Seed of the sampling.")
    temperature: float | None = Field(None, ge=0, description="Higher is more creative.")
    top_k: int | None = Field(None, description="Choose among so many tokens.")
    top_p: float | None = Field(None, description="Choose among tokens of this probability.")
    min_p: float | None = Field(None, description="Least probability, relative to the best token.")
    repeat_last_n: int | None = Field(None, description="Tokens looked back at for repetition.")
    repeat_penalty: float | None = Field(None, description="Penalty of repetition.")
    presence_penalty: float | None = Field(None, description="Penalty of what was there.")
    frequency_penalty: float | None = Field(None, description="Penalty of what was there often.")
    stop: tuple[str, ...] = Field((), description="Texts that end an answer.")


class Thinking(Closed):
    """How hard a model can think, and how hard it does."""

    levels: tuple[Level, ...] | None = Field(
        None,
        description="Levels it knows; an empty list: it thinks, or it does not. Default: low, "
        "medium and high; in Ollama models but gpt-oss an empty list.",
        examples=[["low", "medium", "high"]],
    )
    default: Level | None = Field(
        None,
        description="For requests that do not say. Default: the model's own.",
        examples=["low"],
    )
    most: Level | None = Field(
        None, description="What clients ask for beyond it is lowered to it.", examples=["medium"]
    )


class Defaults(Closed):
    """Parameters of requests that do not give them, in OpenAI's words."""

    temperature: float | None = Field(None, ge=0, description="Higher is more creative.")
    top_p: float | None = Field(None, ge=0, le=1, description="Tokens of this probability.")
    top_k: int | None = Field(None, ge=0, description="Choose among so many tokens.")
    min_p: float | None = Field(None, ge=0, le=1, description="Least probability of a token.")
    presence_penalty: float | None = Field(None, description="Penalty of what was there.")
    frequency_penalty: float | None = Field(None, description="Penalty of what was there often.")
    repeat_penalty: float | None = Field(None, description="Ollama's penalty of repetition.")
    seed: int | None = Field(None, description="Seed of the sampling.")
    max_tokens: int | None = Field(None, ge=1, description="Most tokens of an answer.")
    stop: tuple[str, ...] | None = Field(None, description="Texts that end an answer.")
