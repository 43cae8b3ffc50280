"""Variables that LiteLLM reads by itself: keys of services, and values of integrations.

Source: LiteLLM 1.106.12 (main.py, get_llm_provider_logic.py, llms/, integrations/, caching/,
proxy/guardrails/). The variables of addresses are among stack/litellm_facts.py.
"""

from __future__ import annotations

import re

# Prefixes whose variables begin in another way than the prefix.
_BEGINNINGS = {
    "azure_text": "AZURE",
    "custom_openai": "OPENAI",
    "fireworks_ai": "FIREWORKS",
    "friendliai": "FRIENDLI",
    "lambda_ai": "LAMBDA",
    "meta_llama": "LLAMA",
    "scx-ai": "SCX",
    "text-completion-codestral": "CODESTRAL",
    "text-completion-inception": "INCEPTION",
    "text-completion-openai": "OPENAI",
    "vertex_ai": "VERTEXAI",
    "vertex_ai_beta": "VERTEXAI",
    "watsonx_text": "WATSONX",
}
# The variables with the key that come before NAME_API_KEY.
_KEYS = {
    "APERTIS": ("STIMA_API_KEY",),
    "HUGGINGFACE": ("HF_TOKEN",),
    "MISTRAL": ("MISTRAL_AZURE_API_KEY",),
    "NANO_GPT": ("NANOGPT_API_KEY",),
    "SCALEWAY": ("SCW_SECRET_KEY",),
    "TENSORMESH": ("TENSORMESH_INFERENCE_API_KEY",),
    "TOGETHER_AI": ("TOGETHER_API_KEY", "TOGETHERAI_API_KEY", "TOGETHER_AI_TOKEN"),
}
# Beginnings of the variables of integrations (callbacks, guardrails, caches, alerts, searches),
# beside the first word of the integration's name, by a word of that name.
_INTEGRATIONS = {
    "arize": ("ARIZE_", "PHOENIX_"),
    "bedrock": ("AWS_",),
    "crowdstrike": ("CS_AIDR_",),
    "datadog": ("DD_", "LITELLM_DD_"),
    "deepeval": ("CONFIDENT_",),
    "dynamodb": ("AWS_",),
    "email": ("SMTP_", "EMAIL_"),
    "gcs": ("GOOGLE_APPLICATION_CREDENTIALS",),
    "levo": ("LEVOAI_", "OTEL_"),
    "literalai": ("LITERAL_",),
    "newrelic": ("NEW_RELIC_",),
    "otel": ("OTEL_",),
    "qohash": ("QOSTODIAN_",),
    "s3": ("AWS_",),
    "slack": ("ALERTING_WEBHOOK_URL",),
    "smtp": ("EMAIL_",),
    "valkey": ("REDIS_",),
    "weave": ("WANDB_",),
    "webhook": ("WEBHOOK_URL",),
}


def key_variables(prefix: str) -> tuple[str, ...]:
    """The variables with the key of a service; the first one that is set counts."""
    usual = prefix.removesuffix("_chat").upper().replace("-", "_")
    beginning = _BEGINNINGS.get(prefix, usual)
    return (*_KEYS.get(beginning, ()), f"{beginning}_API_KEY")


def beginnings_of_variables(integration: str) -> tuple[str, ...]:
    """How the variables of a callback, a guardrail, a cache or an alert begin."""
    words = re.split(r"[^a-z0-9]", integration.lower())
    others = (beginning for word in words for beginning in _INTEGRATIONS.get(word, ()))
    return (f"{words[0].upper()}_", *others)
