"""Secrets in plain text among LiteLLM's own settings."""

from __future__ import annotations

import pytest

from llmrack.stack.litellm_secrets import is_secret, plain_secrets

WEBHOOK = "https://hooks.slack.com/services/T0/B0/canary"


@pytest.mark.parametrize(
    "name",
    [
        *("OTEL_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS", "GENERIC_LOGGER_HEADERS"),
        *("AZURE_STORAGE_CONNECTION_STRING", "SENTRY_DSN", "LITELLM_LICENSE", "REDIS_AUTH"),
        *("WATSONX_ZENAPIKEY", "AWS_BEARER_TOKEN_BEDROCK", "SSL_KEY_PASSPHRASE", "DB_PWD"),
        *("SLACK_WEBHOOK_URL", "DD_APP_KEY", "GIGACHAT_CREDENTIALS", "GOOGLE_CLIENT_SECRET"),
    ],
)
def test_a_variable_is_a_secret_by_its_name(name) -> None:
    assert is_secret(("environment_variables", name), "x-team=canary")


@pytest.mark.parametrize(
    "value",
    [
        *("Bearer hunter2", "Authorization=Basic dXNlcjpodW50ZXIy", "a=b,authorization=bearer%20x"),
        *("Authorization: Bearer hunter2", "redis://:hunter2@192.0.2.9", "sk-0123456789"),
        *("https://x.example/v1?key=hunter2", "https://x.example/?a=b&sig=hunter2", WEBHOOK),
        "DefaultEndpointsProtocol=https;AccountKey=aHVudGVyMg==",
        "Endpoint=sb://x.example/;SharedAccessKey=aHVudGVyMg==",
        "Server=192.0.2.9;Password=hunter2",
        "-----BEGIN RSA PRIVATE KEY-----\nx",
    ],
)
def test_a_value_is_a_secret_by_its_form(value) -> None:
    assert is_secret(("callback_settings", "otel", "endpoint"), value)
    assert is_secret(("environment_variables", "OTEL_ENDPOINT"), value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LANGFUSE_PUBLIC_KEY", "pk-lf-1"),
        ("LENGTH_OF_LITELLM_GENERATED_KEY", "16"),
        ("LITELLM_CORS_ALLOW_CREDENTIALS", "true"),
        ("MAX_TOKENS", "100"),
        ("AZURE_KEY_VAULT_URI", "https://x.vault.example/"),
        ("LITELLM_OTEL_BAGGAGE_METADATA_KEYS", "team,user"),
        ("OTEL_ENDPOINT", "https://x.example:4318/v1/traces?tenant=a"),
        ("OTEL_HEADERS", "os.environ/OTEL_HEADERS"),
        ("AUTH_TYPE", "bearer_token"),
    ],
)
def test_other_variables_are_none(name, value) -> None:
    assert not is_secret(("environment_variables", name), value)


@pytest.mark.parametrize(
    ("sections", "paths"),
    [
        (
            {"general_settings": {"alert_to_webhook_url": {"spend": ["https://x.example/1"]}}},
            ["general_settings.alert_to_webhook_url.spend.0"],
        ),
        ({"litellm_settings": {"litellm_license": "canary"}}, ["litellm_settings.litellm_license"]),
        ({"callback_settings": {"otel": {"attributes": [{"key": "env", "value": "prod"}]}}}, []),
        (
            {"callback_settings": {"a": {"headers": [{"name": "X-Auth", "value": "canary"}]}}},
            ["callback_settings.a.headers.0.value"],
        ),
        ({"callback_settings": {"a": {"key": "canary"}}}, ["callback_settings.a.key"]),
        ({"callback_settings": {"a": {"apiToken": "canary"}}}, ["callback_settings.a.apiToken"]),
        # Names of headers, and headers that are no secrets.
        ({"mcp_servers": {"a": {"extra_headers": ["x-team", "authorization"]}}}, []),
        ({"mcp_servers": {"a": {"static_headers": {"accept": "application/json"}}}}, []),
        # A server's name says nothing of its settings.
        ({"mcp_servers": {"secrets": {"url": "https://x.example", "auth_type": "api_key"}}}, []),
        ({"mcp_servers": {"a": {"description": "Basic search"}}}, []),
        ({"guardrails": [{"litellm_params": {"patterns": [{"pattern": r"password=\S+"}]}}]}, []),
        ({"guardrails": [{"litellm_params": {"auth": "true"}}]}, []),
    ],
)  # fmt: skip
def test_secrets_stand_at_these_paths(sections, paths) -> None:
    assert [".".join(path) for path in plain_secrets(sections)] == paths
