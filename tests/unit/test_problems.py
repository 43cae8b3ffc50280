"""Hints: a name is only suggested if a slip of the hand explains the other one."""

from __future__ import annotations

import pytest

from llmrack.problems import nearest
from llmrack.stack.ollama_environment import OllamaEnvironment
from llmrack.stack.providers import KINDS

KEYS = sorted({name for kind in KINDS.values() for name in kind.model_fields})


@pytest.mark.parametrize(
    ("written", "valid", "meant"),
    [
        ("clud", ["cloud", "local"], "cloud"),
        ("defualt_chain", ["chains", "default_chain"], "default_chain"),
        ("max-parallel-requests", KEYS, "max_parallel_requests"),
        ("prm", KEYS, "rpm"),
        ("OLLAMA_VULCAN", OllamaEnvironment.model_fields, "OLLAMA_VULKAN"),
        ("glm4.6", ["glm-4.6", "glm-4.7"], "glm-4.6"),
        ("straßen", ["straßem", "strassen", "strasen"], "strasen"),
        ("guardrail", ["guardrails", "policies"], "guardrails"),
        ("lama3.2", ["llama3.2"], "llama3.2"),
        ("qwen2.5-codr", ["qwen2.5-coder"], "qwen2.5-coder"),
    ],
)
def test_a_slip_of_the_hand_is_shown_the_right_name(written, valid, meant):
    assert nearest(written, valid) == f"did you mean {meant!r}?"


@pytest.mark.parametrize(
    ("written", "valid"),
    [
        ("tpm", ["rpm", "priority"]),
        ("request_timeout", KEYS),
        ("read_timeout", KEYS),
        ("api_keys_file", KEYS),
        ("OLLAMA_ORIGIN_VULKAN", OllamaEnvironment.model_fields),
        ("HTTPS_PROXY_PASSWORD", OllamaEnvironment.model_fields),
        ("glm-4.7", ["glm-4.6"]),
        ("qwen3:4b", ["qwen3:14b"]),
        ("gpt-4o-mini", ["gpt-4o"]),
        ("gpt-4o", ["gpt-4"]),
        ("gpt-4", ["gpt-4o"]),
        ("glm-4.6v", ["glm-4.6"]),
        ("qwen3:14b", ["qwen3:14"]),
        ("llama3:q4_k_m", ["llama3:q4_k_s"]),
        ("prod-a", ["prod-b"]),
        ("prod", ["prod-b"]),
        ("boxa", ["boxb"]),
        ("claude-sonnet-4-5", ["claude-sonnet-4-6"]),
        ("prometheus_system", ["prometheus"]),
        ("langfuse_prompt", ["langfuse_otel"]),
    ],
)
def test_a_name_of_another_meaning_is_not_suggested(written, valid):
    assert nearest(written, valid).startswith("valid: ")
