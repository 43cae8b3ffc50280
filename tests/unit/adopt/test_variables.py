"""Variables that LiteLLM reads by itself."""

from __future__ import annotations

import pytest

from llmrack.adopt.services import address_variables
from llmrack.adopt.variables import beginnings_of_variables, key_variables


@pytest.mark.parametrize(
    ("prefix", "variables"),
    [
        ("openai", ("OPENAI_API_KEY",)),
        ("text-completion-openai", ("OPENAI_API_KEY",)),
        ("cohere_chat", ("COHERE_API_KEY",)),
        ("mistral", ("MISTRAL_AZURE_API_KEY", "MISTRAL_API_KEY")),
        ("nano-gpt", ("NANOGPT_API_KEY", "NANO_GPT_API_KEY")),
    ],
)
def test_variables_of_a_key(prefix, variables):
    assert key_variables(prefix) == variables


@pytest.mark.parametrize(
    ("prefix", "variables"),
    [
        ("openai", ("OPENAI_BASE_URL", "OPENAI_API_BASE")),
        ("anthropic", ("ANTHROPIC_API_BASE", "ANTHROPIC_BASE_URL")),
        # HELICONE_API_BASE is the address of a callback.
        ("helicone", ()),
        ("no_such", ()),
    ],
)
def test_variables_of_an_address(prefix, variables):
    assert address_variables(prefix) == variables


@pytest.mark.parametrize(
    ("integration", "variable"),
    [
        ("langfuse", "LANGFUSE_HOST"),
        ("langfuse_otel", "OTEL_HEADERS"),
        ("arize_phoenix", "PHOENIX_API_KEY"),
        ("redis-semantic", "REDIS_URL"),
        ("s3_v2", "AWS_REGION"),
        ("azure/text_moderations", "AZURE_CONTENT_SAFETY_KEY"),
        ("lakera_v2", "LAKERA_API_KEY"),
        ("datadog_llm_observability", "DD_API_KEY"),
    ],
)
def test_variables_of_an_integration(integration, variable):
    assert variable.startswith(beginnings_of_variables(integration))
