"""What the section litellm cannot have: each refusal names place, cause and way out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml

from llmrack.components.gateway.gateway import configuration
from llmrack.components.gateway.laid_over import SHARED
from llmrack.site.secret_names import secret_names
from llmrack.stack.checks.checks import check
from llmrack.stack.litellm import REFUSED, ROUTER_SETTINGS
from tests.unit.declare import declaration, host, stack, two_boxes

SECRET = "sk-lf-0123456789abcdef"


def problems(litellm: dict[str, Any], *secrets: str) -> list[str]:
    stack_ = stack(litellm=litellm)
    return [str(p) for p in check(declaration(stack_, secrets=["OLLAMA_API_KEY", *secrets]))]


def settings(name: str, value: object, section: str = "litellm_settings") -> dict[str, Any]:
    return {section: {name: value}}


@pytest.mark.parametrize(
    "litellm",
    [
        {},
        settings("callbacks", ["langfuse_otel", "otel"]),
        settings("cache", True) | {"callback_settings": {"otel": {"message_logging": False}}},
        settings("redis_host", "10.0.0.9", "router_settings"),
        settings("alerting", ["slack"], "general_settings"),
        settings("turn_off_message_logging", False),
        settings("LANGFUSE_PUBLIC_KEY", "pk-lf-1", "environment_variables"),
        settings("OTEL_TRACES_SAMPLER_ARG", 0.1, "environment_variables"),
        {"mcp_servers": {"files": {"url": "https://mcp.example/mcp", "auth_type": "api_key"}}},
        {"guardrails": [{"guardrail_name": "mail", "litellm_params": {
            "guardrail": "litellm_content_filter", "mode": "pre_call"}}]},
        {"callback_settings": {"otel": {"attributes": [{"key": "env", "value": "prod"}]}}},
        settings("pass_through_endpoints", [
            {"path": "/rerank", "target": "https://api.example/rerank", "auth": True}
        ], "general_settings"),
    ],
)  # fmt: skip
def test_what_leaves_the_promises_alone_is_taken(litellm) -> None:
    assert problems(litellm) == []


@pytest.mark.parametrize(
    ("section", "name", "cause", "way_out"),
    [
        ("general_settings", "master_key", "is set by llmrack itself", "llmrack secrets rotate"),
        ("general_settings", "custom_auth", "who may ask the gateway", "clients under 'keys'"),
        ("general_settings", "public_routes", "who may ask the gateway", "clients under 'keys'"),
        ("general_settings", "database_url", "use a database", "in this file"),
        ("general_settings", "store_model_in_db", "use a database", "in this file"),
        ("general_settings", "background_health_checks", "paid ones too", "health_check of"),
        ("general_settings", "forward_client_headers_to_llm_api", "all providers", "provider"),
        ("general_settings", "completion_model", "who answers", "docs/routing.md"),
        ("litellm_settings", "fallbacks", "who answers", "docs/routing.md"),
        ("litellm_settings", "request_timeout", "who answers", "docs/routing.md"),
        ("litellm_settings", "drop_params", "is set by llmrack itself", "leave it out"),
        ("litellm_settings", "set_verbose", "print what clients say", "leave it out"),
        ("litellm_settings", "ssl_verify", "all providers are sent", "provider"),
        ("router_settings", "routing_strategy", "who answers", "docs/routing.md"),
        ("router_settings", "disable_cooldowns", "who answers", "docs/routing.md"),
        ("router_settings", "redis_hots", "is not known to LiteLLM", "did you mean 'redis_host'?"),
        ("environment_variables", "LITELLM_MODE", "is set by llmrack itself", "leave it out"),
        ("environment_variables", "https_proxy", "to our own hosts", "proxy and no_proxy"),
        ("environment_variables", "LLMRACK_LOG_DAYS", "is set by llmrack itself", "leave it out"),
        ("environment_variables", "DATABASE_URL", "use a database", "in this file"),
        ("environment_variables", "PATH", "is ignored by LiteLLM", "leave it out"),
        ("environment_variables", "LITELLM_ENABLE_MCP_STDIO", "is ignored by LiteLLM", "leave it"),
        ("environment_variables", "LITELLM_WORKER_STARTUP_HOOKS", "a Python module", "own integ"),
        ("environment_variables", "USE_LITELLM_PROXY", "who answers", "docs/routing.md"),
        ("environment_variables", "OPENAI_CUSTOM_HEADERS", "all providers are sent", "provider"),
        ("environment_variables", "OPENAI_ORG_ID", "all providers are sent", "provider"),
        ("litellm_settings", "guardrails", "may name Python modules", "use the section guardrails"),
    ],
)
def test_what_would_undo_a_promise_is_refused(section, name, cause, way_out) -> None:
    (problem,) = problems(settings(name, 1, section))
    assert f"litellm.{section}.{name}: " in problem
    assert cause in problem
    assert way_out in problem


@pytest.mark.parametrize(
    ("section", "cause"),
    [
        ("model_list", "serve models that nothing else knows of"),
        ("include", "another file"),
        ("mcp_tools", "names Python modules"),
    ],
)
def test_sections_of_llmracks_own_are_refused(section, cause) -> None:
    (problem,) = problems({section: []})
    assert f"litellm.{section}: " in problem
    assert cause in problem


def test_a_section_that_is_no_mapping() -> None:
    (problem,) = problems({"litellm_settings": ["cache"]})
    assert "litellm.litellm_settings: is not a mapping; give keys with their values" in problem


@pytest.mark.parametrize(
    ("litellm", "place"),
    [
        (settings("LANGFUSE_SECRET_KEY", SECRET, "environment_variables"), "LANGFUSE_SECRET_KEY"),
        (settings("redis_password", "hunter2", "router_settings"), "redis_password"),
        (settings("cache_params", {"password": "hunter2"}), "cache_params.password"),
        (settings("cache_params", {"password": 20011998}), "cache_params.password"),
        (settings("cache_params", {"url": "redis://:hunter2@10.0.0.9"}), "cache_params.url"),
        ({"mcp_servers": {"a": {"auth_value": "hunter2"}}}, "mcp_servers.a.auth_value"),
        ({"guardrails": [{"guardrail_name": "a", "litellm_params": {
            "guardrail": "lakera_v2", "api_key": "hunter2"}}]},
         "guardrails.0.litellm_params.api_key"),
        ({"callback_settings": {"otel": {"headers": {"x": "Bearer hunter2"}}}}, "otel.headers.x"),
        (settings("OTEL_HEADERS", "x-team=hunter2", "environment_variables"), "OTEL_HEADERS"),
        (settings("alert_to_webhook_url", {"spend": "hunter2"}, "general_settings"),
         "alert_to_webhook_url.spend"),
    ],
)  # fmt: skip
def test_a_secret_in_plain_text_is_refused_and_not_shown(litellm, place) -> None:
    (problem,) = problems(litellm)
    assert f"{place}: is a secret in plain text; write os.environ/NAME in its place" in problem
    assert "llmrack secrets set NAME" in problem
    assert "hunter2" not in problem
    assert SECRET not in problem


def test_a_secret_that_is_named_must_be_set() -> None:
    litellm = settings(
        "LANGFUSE_SECRET_KEY", "os.environ/LANGFUSE_SECRET_KEY", "environment_variables"
    )
    (problem,) = problems(litellm)
    assert "the secret LANGFUSE_SECRET_KEY is not set; run llmrack secrets set" in problem
    assert problems(litellm, "LANGFUSE_SECRET_KEY") == []
    assert "LANGFUSE_SECRET_KEY" in secret_names(stack(litellm=litellm))


@pytest.mark.parametrize(
    "general",
    [
        {"alert_to_webhook_url": {"spend": ["os.environ/NAME"], "budget": "os.environ/NAME"}},
        {"pass_through_endpoints": [{
            "path": "/x", "target": "https://x.example", "auth": True,
            "headers": {"Authorization": "Bearer os.environ/NAME"}}]},
    ],
)  # fmt: skip
def test_a_reference_is_taken_where_litellm_reads_one(general) -> None:
    assert problems({"general_settings": general}, "NAME") == []


def test_a_placeholder_of_a_secret_is_named() -> None:
    whole = declaration(stack(litellm=settings("redis_url", "os.environ/URL", "router_settings")))
    placed = replace(whole, placeholders={"URL": ".env"})
    (problem,) = map(str, check(placed))
    assert "what .env has for the secret URL counts as a placeholder" in problem


@pytest.mark.parametrize(
    ("litellm", "cause"),
    [
        (settings("langfuse_default_tags", ["os.environ/NAME"]), "where LiteLLM reads none"),
        (settings("cache_params", {"url": "redis://os.environ/NAME"}), "where LiteLLM reads none"),
        (settings("pass_through_endpoints", [
            {"path": "/x", "target": "https://x.example/os.environ/NAME", "auth": True}
        ], "general_settings"), "where LiteLLM reads none"),
        (settings("cache_params", {"url": "os.environ/some name"}), "the name of a secret"),
        (settings("cache_params", {"url": "os.environ/LITELLM_MASTER_KEY"}),
         "the gateway's own key"),
    ],
)  # fmt: skip
def test_a_reference_that_leads_nowhere_is_refused(litellm, cause) -> None:
    (problem,) = problems(litellm, "NAME", "LITELLM_MASTER_KEY")
    assert cause in problem


def test_a_key_of_a_provider_is_not_replaced() -> None:
    taken = stack(
        providers={"a": {"kind": "vllm", "url": "http://v/v1", "api_key": "V_KEY"}},
        models={"m": {"provider": "a"}},
        chains={},
        default_chain=[],
        litellm=settings("V_KEY", "other", "environment_variables"),
    )
    texts = [str(p) for p in check(declaration(taken, secrets=["V_KEY"]))]
    assert any("would replace the key of the provider a; leave it out" in text for text in texts)


def paid(**changes: object) -> list[str]:
    """The problems of a stack with a service whose address only LiteLLM knows."""
    service = {"kind": "litellm", "api_key": "KEY"} | changes
    names = "ANTHROPIC_API_BASE", "ANTHROPIC_BASE_URL", "GEMINI_API_BASE", "OPENAI_BASE_URL"
    variables = dict.fromkeys(names, "http://192.0.2.66")
    whole = stack(
        providers={"a": service},
        models={"m": {"provider": "a"}},
        chains={},
        default_chain=[],
        litellm={"environment_variables": variables},
    )
    return [str(p) for p in check(declaration(whole, secrets=["KEY"]))]


def test_a_variable_does_not_lead_a_service_elsewhere() -> None:
    first, second = paid(prefix="anthropic")
    assert "environment_variables.ANTHROPIC_API_BASE: would send the requests for" in first
    assert "for the provider a to another address; use url of the provider" in first
    assert "environment_variables.ANTHROPIC_BASE_URL: " in second
    (problem,) = paid(prefix="gemini")
    assert "environment_variables.GEMINI_API_BASE: " in problem


def test_a_declared_address_comes_before_a_variable() -> None:
    assert paid(prefix="anthropic", url="http://192.0.2.7") == []


@pytest.mark.parametrize("value", [True, None, ["a"]])
def test_a_variable_is_a_text(value) -> None:
    (problem,) = problems(settings("OTEL_SDK_DISABLED", value, "environment_variables"))
    assert 'is not a text; put the value in quotes, as in "true"' in problem


def test_a_date_is_no_text() -> None:
    litellm = yaml.safe_load("callback_settings: {otel: {since: 2026-01-01}}")
    (problem,) = problems(litellm)
    assert "litellm.callback_settings.otel.since: is a date to YAML; put it in quotes" in problem


def test_modules_are_refused() -> None:
    (problem,) = problems(settings("callbacks", ["my_module.handler"]))
    assert "litellm.litellm_settings.callbacks.0: names a Python module" in problem
    guardrail = {"guardrail_name": "a", "litellm_params": {"guardrail": "mine.Check"}}
    (problem,) = problems({"guardrails": [guardrail]})
    assert "guardrails.0.litellm_params.guardrail: names a Python module" in problem


def test_a_program_in_a_guardrail_is_refused() -> None:
    code = "def apply_guardrail(inputs, request_data, input_type):\n    return allow()"
    params = {"guardrail": "custom_code", "mode": "pre_call", "custom_code": code}
    (problem,) = problems({"guardrails": [{"guardrail_name": "a", "litellm_params": params}]})
    assert "guardrails.0.litellm_params.guardrail: has a program in it" in problem
    assert "use one of LiteLLM's own integrations" in problem


@pytest.mark.parametrize(
    "server",
    [
        {"transport": "stdio", "command": "npx", "args": ["-y", "some-server"]},
        {"transport": "stdio"},
        {"command": "npx"},
    ],
)
def test_an_mcp_server_that_is_a_program_is_refused(server) -> None:
    """LiteLLM 1.106.12 does not start it, and says so only in its log."""
    (problem,) = problems({"mcp_servers": {"files": server}})
    assert "litellm.mcp_servers.files." in problem
    assert "is a program on the gateway's host, which LiteLLM does not start" in problem
    assert "run it as a server with HTTP, and give its url" in problem


def test_callbacks_are_a_list_of_names() -> None:
    (problem,) = problems(settings("callbacks", "langfuse"))
    assert "is not a list of names; write it as in [langfuse_otel]" in problem


def test_guardrails_have_names_of_their_own() -> None:
    whole = {"guardrail_name": "a", "litellm_params": {"guardrail": "lakera_v2"}}
    (problem,) = problems({"guardrails": [whole, whole]})
    assert "guardrails.1: has the name 'a', too; choose another one" in problem
    (problem,) = problems({"guardrails": [{"guardrail_name": "a"}]})
    assert "guardrails.0: is no guardrail; give it guardrail_name" in problem


@pytest.mark.parametrize("auth", [{}, {"auth": False}, {"auth": "true"}])
def test_a_pass_through_endpoint_needs_a_key(auth) -> None:
    endpoint = {"path": "/x", "target": "https://api.example", **auth}
    (problem,) = problems(settings("pass_through_endpoints", [endpoint], "general_settings"))
    assert "pass_through_endpoints.0: lets everybody through" in problem
    assert "add auth: true" in problem


def test_a_pass_through_endpoint_leads_to_an_address() -> None:
    endpoint = {"path": "/x", "target": "my.module", "auth": True}
    (problem,) = problems(settings("pass_through_endpoints", [endpoint], "general_settings"))
    assert "pass_through_endpoints.0.target: is not an http:// or https:// address" in problem


def test_what_llmrack_sets_itself_cannot_be_set_twice() -> None:
    """A setting that the template gains must be refused, or be joined there."""
    fleet = two_boxes()
    fleet = replace(fleet, hosts=(*fleet.hosts, host("watch", ("monitor",), "10.0.0.3")))
    whole = yaml.safe_load(configuration(stack(), fleet, fleet.hosts[0]))
    joined = {"callbacks", "turn_off_message_logging"}
    for section in SHARED:
        assert whole[section]
        for name in whole[section]:
            refused = REFUSED.get(section, {})
            assert name in refused or name in joined or section == "router_settings", name
            assert section != "router_settings" or name not in ROUTER_SETTINGS
    assert set(whole) == {"model_list", *SHARED}
