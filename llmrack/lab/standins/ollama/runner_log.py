"""What ``llama-server``, the process below a real Ollama that runs a model, writes to the log.

As many lines as it writes, in its words (llama.cpp's ``tools/server/server-context.cpp``); the
numbers that nobody measured are made up.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

from .log import log
from .types import JsonObject

_TASKS = itertools.count()


def loaded(gguf: Path | None, metadata: JsonObject, context: int) -> None:
    """Write the lines of a model that was loaded."""
    log("using llama-server for model", source="server.go:98", model=gguf)
    log("starting llama-server", source="llama_server.go:430", cmd=f"llama-server --model {gguf}")
    log("loading model via llama-server", source="llama_server.go:1048", model=gguf)
    _write(
        f"srv    load_model: loading model '{gguf}'",
        f"llama_model_loader: loaded meta data with {len(metadata)} key-value pairs from {gguf}",
        *(f"llama_model_loader: - kv {i:3}: {key}" for i, key in enumerate(metadata)),
        f"llama_context: n_ctx         = {context}",
        f"srv    load_model: initializing, n_slots = 1, n_ctx_slot = {context}",
        "main: model loaded",
        "main: server is listening on http://127.0.0.1:0",
        "srv  update_slots: all slots are idle",
    )
    log("llama-server runner started", source="llama_server.go:1350")


def unloaded() -> None:
    """Write the line of a model that was unloaded: an error, because its process was killed."""
    log(
        "llama-server terminated",
        level="ERROR",
        source="llama_server.go:1023",
        error="signal: killed",
        exit="unknown",
    )


def refused(message: str) -> None:
    """Write the line of a request that the process refused."""
    _write(f"srv          send: error: {message}")


def answered(context: int, prompt: int, tokens: int, seconds: float) -> None:
    """Write the lines of an answer.

    Args:
        context: tokens of context.
        prompt: tokens of the prompt.
        tokens: tokens of the answer.
        seconds: how long they took.
    """
    task = next(_TASKS)
    slot = f"id  0 | task {task} | "
    took, rate = 1000 * seconds, tokens / seconds if seconds else 0.0
    _write(
        "slot get_availabl: id  0 | task -1 | selected slot by LRU, t_last = -1",
        "srv  get_availabl: updating prompt cache",
        "srv        update:  - cache state: 0 prompts, 0.000 MiB",
        "srv  get_availabl: prompt cache update took 0.01 ms",
        f"slot launch_slot_: {slot}processing task, is_child = 0",
        f"slot update_slots: {slot}new prompt, n_ctx_slot = {context}, task.n_tokens = {prompt}",
        f"slot update_slots: {slot}n_tokens = 0, memory_seq_rm [0, end)",
        f"slot update_slots: {slot}prompt processing progress, n_tokens = {prompt}",
        f"slot update_slots: {slot}prompt done, n_tokens = {prompt}, batch.n_tokens = {prompt}",
        f"slot init_sampler: {slot}init sampler, took 0.01 ms, tokens: text = {prompt}",
        f"slot print_timing: {slot}prompt eval time = {1.0:10.2f} ms / {prompt:5} tokens",
        f"slot print_timing: {slot}       eval time = {took:10.2f} ms / {tokens:5} tokens "
        f"({took / max(1, tokens):8.2f} ms per token, {rate:8.2f} tokens per second)",
        f"slot print_timing: {slot}      total time = {took + 1:10.2f} ms / {prompt + tokens:5}",
        f"slot print_timing: {slot}   graphs reused = {tokens:10}",
        f"slot      release: {slot}stop processing: n_tokens = {prompt + tokens}, truncated = 0",
        "srv  update_slots: all slots are idle",
    )


def _write(*lines: str) -> None:
    print("\n".join(lines), file=sys.stderr, flush=True)
