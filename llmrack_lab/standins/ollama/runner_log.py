"""What ``llama-server``, the process below a real Ollama that runs a model, writes to the log.

About as many lines as build 10488 of llama.cpp writes, in its words; the numbers that nobody
measured are made up.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

from .log import log
from .types import JsonObject

_TASKS = itertools.count()
# The numbers of source lines are those of v0.33.0-rc2.
_SERVER, _RUNNER, _SCHEDULER = "server.go:109", "llama_server.go", "sched.go:728"
_SAMPLER = (
    "slot launch_slot_: id  0 | task -1 | sampler chain: logits -> ?penalties -> ?dry -> "
    "?top-n-sigma -> top-k -> ?typical -> top-p -> ?min-p -> ?xtc -> temp-ext -> dist ",
    "slot launch_slot_: id  0 | task -1 | sampler params: ",
    "\trepeat_last_n = 64, repeat_penalty = 1.000, frequency_penalty = 0.000, "
    "presence_penalty = 0.000",
    "\tdry_multiplier = 0.000, dry_base = 1.750, dry_allowed_length = 2, dry_penalty_last_n = 64",
    "\ttop_k = 40, top_p = 0.900, min_p = 0.000, xtc_probability = 0.000, xtc_threshold = 0.100, "
    "typical_p = 1.000, top_n_sigma = -1.000, temp = 0.800",
    "\tmirostat = 0, mirostat_lr = 0.100, mirostat_ent = 5.000, adaptive_target = -1.000, "
    "adaptive_decay = 0.900",
)


def loaded(gguf: Path | None, metadata: JsonObject, context: int) -> None:
    """Write the lines of a model that was loaded."""
    log("using llama-server for model", source=_SERVER, model=gguf)
    command = f"llama-server --model {gguf} --host 127.0.0.1 --no-webui --offline -c {context}"
    log("starting llama-server", source=f"{_RUNNER}:433", cmd=command)
    log("loading model via llama-server", source=f"{_RUNNER}:1048", model=gguf)
    log("waiting for llama-server to start responding", source=f"{_RUNNER}:1295")
    pairs = f"loaded meta data with {len(metadata)} key-value pairs from {gguf}"
    _write(
        "srv          init: using 5 threads for HTTP server",
        "srv         start: binding port with default address family",
        f"srv    load_model: loading model '{gguf}'",
        "cmn  common_init_: fitting params to device memory ...",
        f"llama_model_loader: {pairs} (version GGUF V3 (latest))",
        "llama_model_loader: Dumping metadata keys/values. "
        "Note: KV overrides do not apply in this output.",
        *(f"llama_model_loader: - kv {i:3}: {key:>42}" for i, key in enumerate(metadata)),
        *(f"print_info: {key.partition('.')[2]:<21} = {metadata[key]}" for key in metadata),
        "load_tensors: loading model tensors, this can take a while... (load_mode = none)",
        "llama_context: constructing llama_context",
        *(f"llama_context: {key:<21} = {context}" for key in ("n_ctx", "n_ctx_seq")),
        "sched_reserve: reserving ...",
        "sched_reserve: graph splits = 1",
        "cmn  common_init_: warming up the model with an empty run - please wait ... "
        "(--no-warmup to disable)",
        f"srv    load_model: initializing, n_slots = 1, n_ctx_slot = {context}, "
        "kv_unified = 'false'",
        f"slot   load_model: id  0 | task -1 | new slot, n_ctx = {context}",
        "srv    load_model: prompt cache is enabled, size limit: 8192 MiB",
        "srv  llama_server: model loaded",
        "srv  update_slots: all slots are idle",
    )
    log("llama-server started in 0.25 seconds", source=f"{_RUNNER}:1362")
    log("loaded runners", source=_SCHEDULER, count=1)


def terminated() -> None:
    """Write the line of a process that was killed after it had written an error."""
    log(
        "llama-server terminated",
        level="ERROR",
        source=f"{_RUNNER}:1023",
        error="signal: killed",
        exit="unknown",
    )


def refused(reason: str) -> None:
    """Write the line of a request that the process refused."""
    _write(f"srv    send_error: task id = {next(_TASKS)}, error: {reason}")


def answered(context: int, prompt: int, tokens: int, seconds: float) -> None:
    """Write the lines of an answer.

    Args:
        context: tokens of context.
        prompt: tokens of the prompt.
        tokens: tokens of the answer.
        seconds: how long they took.
    """
    slot = f"id  0 | task {next(_TASKS)} | "
    took, rate = 1000 * seconds, tokens / seconds if seconds else 0.0
    speed = f"{took / max(1, tokens):8.2f} ms per token, {rate:8.2f} tokens per second"
    _write(
        "srv  server_strea: conv_id= (empty=1)",
        "slot get_availabl: id  0 | task -1 |  - checking sim = 0.088 (5/57) > 0.100",
        "slot get_availabl: id  0 | task -1 | selected slot by LRU, t_last = -1",
        "srv  get_availabl: updating prompt cache",
        "srv  get_availabl: prompt cache update took 0.01 ms",
        *_SAMPLER,
        f"slot launch_slot_: {slot}processing task, is_child = 0",
        f"slot   operator(): {slot}new prompt, n_ctx_slot = {context}, n_keep = 4, "
        f"task.n_tokens = {prompt}",
        f"slot   operator(): {slot}cached n_tokens = 0, memory_seq_rm [0, end)",
        f"slot init_sampler: {slot}init sampler, took 0.01 ms, tokens: text = {prompt}, "
        f"total = {prompt}",
        f"slot print_timing: {slot}prompt eval time = {1.0:10.2f} ms / {prompt:5} tokens",
        f"slot print_timing: {slot}       eval time = {took:10.2f} ms / {tokens:5} tokens "
        f"({speed})",
        f"slot print_timing: {slot}      total time = {took + 1:10.2f} ms / {prompt + tokens:5} "
        "tokens",
        f"slot print_timing: {slot}   graphs reused = {tokens:10}",
        f"slot      release: {slot}stop processing: n_tokens = {prompt + tokens}, truncated = 0",
        "srv  update_slots: all slots are idle",
    )


def _write(*lines: str) -> None:
    print("\n".join(lines), file=sys.stderr, flush=True)
