"""Routing as rendered: LiteLLM's config.yaml, and the gateway's own routing.json beside it."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from llmrack.components.gateway import gateway
from llmrack.components.gateway.routing import authorities, routing, strategy
from llmrack.site.secret_names import secret_names
from llmrack.stack.fleet import Fleet
from llmrack.stack.load import load_settings
from llmrack.stack.schema import Stack
from tests.unit.declare import STACK, stack, two_boxes

CLOUD = "gpt-oss:20b-cloud"
LLAMA = "llama3.1:latest"
OFFICE = {
    "kind": "ollama-remote",
    "url": "https://office/ollama",
    "api_key": "OFFICE_KEY",
    "headers": {"X-Client-ID": "rack1"},
    "secret_headers": {"X-API-Key": "OFFICE_HEADER"},
    "tls_ca": "THE AUTHORITY",
    "connect_timeout": 1,
    "paths": {"chat": "/v2/chat", "health": "/up"},
}


def with_office(**changes) -> Stack:
    return stack(
        providers=STACK["providers"] | {"office": OFFICE | changes},
        models=STACK["models"] | {"x": {"provider": "office"}},
    )


def config(stack_: Stack, fleet: Fleet | None = None) -> dict[str, Any]:
    fleet = fleet or two_boxes()
    rendered: dict[str, Any] = yaml.safe_load(gateway.configuration(stack_, fleet, fleet.hosts[0]))
    return rendered


def rows(stack_: Stack, name: str) -> list[dict[str, Any]]:
    return [
        row["litellm_params"] for row in config(stack_)["model_list"] if row["model_name"] == name
    ]


def table(stack_: Stack, fleet: Fleet | None = None) -> dict[str, Any]:
    fleet = fleet or two_boxes()
    rendered: dict[str, Any] = json.loads(routing(stack_, fleet, fleet.hosts[0]))
    return rendered


def chains(stack_: Stack, kind: str) -> dict[str, list[str]]:
    return {
        name: [row["model"] for row in chain]
        for row in config(stack_)["router_settings"].get(kind, [])
        for name, chain in row.items()
    }


def test_headers_are_sent_and_secret_ones_named_by_their_variables():
    (row,) = rows(with_office(), "x")
    assert row["extra_headers"] == {"X-Client-ID": "rack1", "X-API-Key": "os.environ/OFFICE_HEADER"}


def test_headers_of_a_provider_go_to_no_other():
    for row in config(with_office())["model_list"]:
        to_office = row["litellm_params"]["api_base"] == OFFICE["url"]
        assert ("extra_headers" in row["litellm_params"]) == to_office


def test_secrets_of_headers_are_in_the_gateways_environment():
    names = secret_names(with_office())
    assert {"OFFICE_KEY", "OFFICE_HEADER"} <= set(names)


def test_secrets_of_a_disabled_provider_are_not():
    names = secret_names(with_office(enabled=False))
    assert not {"OFFICE_KEY", "OFFICE_HEADER"} & set(names)


def test_only_who_charges_by_the_token_is_left_to_litellms_list_of_prices():
    paid = {"kind": "openai-compatible", "url": "https://paid/v1", "api_key": "PAID_KEY"}
    declared = stack(
        providers=STACK["providers"] | {"paid": paid},
        models=STACK["models"] | {"gpt-4o": {"provider": "paid"}},
    )
    priced = {
        row["model_name"]: row["model_info"].get("input_cost_per_token")
        for row in config(declared)["model_list"]
    }
    assert priced.pop("gpt-4o") is None
    assert set(priced.values()) == {0}


def test_limits_of_a_provider_hold_for_each_deployment():
    (row,) = rows(with_office(max_parallel_requests=4, rpm=60), "x")
    assert (row["max_parallel_requests"], row["rpm"]) == (4, 60)


def test_limits_of_a_model_come_before_the_providers():
    models = {"coder": {"provider": "vllm", "max_parallel_requests": 1, "rpm": 2}}
    vllm = STACK["providers"]["vllm"] | {"max_parallel_requests": 4, "rpm": 60}
    (row,) = rows(
        stack(models=STACK["models"] | models, providers=STACK["providers"] | {"vllm": vllm}),
        "coder",
    )
    assert (row["max_parallel_requests"], row["rpm"]) == (1, 2)


def test_a_rate_limit_is_kept_by_litellm():
    settings = config(with_office(rpm=60))["router_settings"]
    assert settings["optional_pre_call_checks"] == ["enforce_model_rate_limits"]


def test_without_a_rate_limit_nothing_is_checked_before_a_call():
    assert "optional_pre_call_checks" not in config(with_office())["router_settings"]


def test_aliases_are_litellms_aliases():
    declared = stack(aliases={"gpt": LLAMA})
    assert config(declared)["router_settings"]["model_group_alias"] == {"gpt": LLAMA}


def test_an_alias_of_what_nobody_serves_is_left_out():
    cloud = STACK["providers"]["cloud"] | {"enabled": False}
    declared = stack(aliases={"gpt": CLOUD}, providers=STACK["providers"] | {"cloud": cloud})
    assert "model_group_alias" not in config(declared)["router_settings"]


def test_an_alias_has_the_chains_of_its_model():
    declared = stack(aliases={"gpt": LLAMA}, context_window_chains={LLAMA: [CLOUD]})
    assert chains(declared, "fallbacks")["gpt"] == ["coder", CLOUD]
    assert chains(declared, "context_window_fallbacks")["gpt"] == [CLOUD]


def test_each_kind_of_chain_becomes_its_kind_of_fallback():
    declared = stack(
        context_window_chains={LLAMA: [CLOUD]}, content_policy_chains={CLOUD: ["coder"]}
    )
    assert chains(declared, "context_window_fallbacks") == {LLAMA: [CLOUD]}
    assert chains(declared, "content_policy_fallbacks") == {CLOUD: ["coder"]}
    assert chains(declared, "fallbacks")[LLAMA] == ["coder", CLOUD]


def test_kinds_of_chains_that_nobody_declares_are_left_out():
    settings = config(stack())["router_settings"]
    assert not {"context_window_fallbacks", "content_policy_fallbacks"} & settings.keys()


def test_tiers_and_mixes_are_names_that_clients_can_ask_for():
    declared = stack(tiers={"eco": [LLAMA, CLOUD]}, mixes={"m": {"coder": 1, CLOUD: 1}})
    names = {row["model_name"] for row in config(declared)["model_list"]}
    assert {"eco", "m"} <= names


def test_the_routing_callback_is_loaded_and_cooldowns_left_to_it():
    rendered = config(stack())
    assert "gateway.hooks.routing" in rendered["litellm_settings"]["callbacks"]
    assert rendered["router_settings"]["disable_cooldowns"] is True


def test_every_attempt_that_may_be_needed_is_allowed():
    rendered = config(stack(tiers={"eco": [LLAMA, "coder", CLOUD]}))
    assert rendered["router_settings"]["max_fallbacks"] >= len(rendered["model_list"])


def test_an_instance_of_ours_is_watched_and_shows_what_it_has_loaded():
    box2 = table(stack())["instances"]["box2"]
    assert (box2["url"], box2["health"], box2["loaded"]) == (
        "http://10.0.0.2:11434",
        "*",
        "/api/ps",
    )


@pytest.mark.parametrize(
    ("kind", "url", "health"),
    [
        ("vllm", "http://x:8000/v1", ("http://x:8000", "/health")),
        ("openai-compatible", "https://x/v1", ("https://x/v1", "/models")),
        ("ollama-cloud", "https://x", ("https://x", "/api/tags")),
        ("ollama-remote", "http://x/ollama", ("http://x/ollama", "/api/version")),
    ],
)
def test_a_sign_of_life_is_what_is_cheap_to_ask(kind, url, health):
    declared = stack(
        providers=STACK["providers"] | {"x": {"kind": kind, "url": url, "health_check": True}},
        models=STACK["models"] | {"x": {"provider": "x"}},
    )
    routing_table = table(declared)["instances"]["x"]
    assert (routing_table["url"], routing_table["health"]) == health


def test_a_paid_provider_is_not_watched_unless_declared():
    assert table(stack())["instances"]["cloud"]["health"] is None


def test_a_remote_instance_is_reached_as_declared():
    routing_table = table(with_office())["instances"]["office"]
    assert routing_table["chat"] == "/v2/chat"
    assert routing_table["health"] == "/up"
    assert routing_table["connect_timeout"] == 1
    assert routing_table["verify"] == "ca-office.pem"
    assert routing_table["headers"] == {"X-Client-ID": "rack1"}


def test_secrets_of_an_instance_are_names():
    routing_table = table(with_office())["instances"]["office"]
    assert routing_table["key"] == "OFFICE_KEY"
    assert routing_table["secret_headers"] == {"X-API-Key": "OFFICE_HEADER"}


def test_an_authority_lies_beside_the_configuration():
    assert authorities(with_office()) == {"ca-office.pem": "THE AUTHORITY"}


def test_verification_can_be_declined():
    declared = with_office(tls_ca=None, tls_verify=False)
    assert table(declared)["instances"]["office"]["verify"] is False


def test_a_name_knows_its_chain_strategy_and_deployments():
    routing_table = table(stack(strategy="latency"))["groups"][LLAMA]
    assert routing_table == {
        "strategy": "latency",
        "kind": "chat",
        "mode": "chat",
        "context_length": 8192,
        "chain": ["coder", CLOUD],
        "deployments": [f"box1/{LLAMA}", f"box2/{LLAMA}"],
    }


def test_a_models_strategy_comes_before_the_stacks():
    models = STACK["models"] | {"coder": {"provider": "vllm", "strategy": "least-busy"}}
    declared = stack(models=models, strategy="latency", tiers={"t": ["coder"]})
    assert (strategy(declared, "coder"), strategy(declared, "t"), strategy(declared, LLAMA)) == (
        "least-busy",
        "least-busy",
        "latency",
    )


def rules(stack_: Stack, name: str) -> dict[str, Any]:
    """Of the first deployment of a name."""
    return next(
        deployment["rules"]
        for key, deployment in table(stack_)["deployments"].items()
        if name in (deployment["served"], key.partition("@")[2])
    )


def test_a_models_rules_for_requests_are_as_declared():
    model = {
        "provider": "local",
        "capabilities": ["chat", "thinking"],
        "thinking": {"levels": ["low", "high"], "default": "low", "most": "high"},
        "on_refusal": "next",
        "defaults": {"temperature": 0.3},
        "drop": ["tool_choice"],
        "max_tokens": 100,
        "client_options": ["num_ctx"],
        "extra_body": {"keep_alive": "1h"},
    }
    rules_ = rules(stack(models=STACK["models"] | {"x": model}), "x")
    assert rules_ == {
        "engine": "ollama",
        "outside": False,
        "capabilities": ["chat", "thinking"],
        "levels": ["low", "high"],
        "level": "low",
        "most": "high",
        "next": True,
        "context_chain": False,
        "content_chain": False,
        "defaults": {"temperature": 0.3},
        "drop": ["tool_choice"],
        "max_tokens": 100,
        "client_options": ["num_ctx"],
        "extra_body": {"keep_alive": "1h"},
    }


@pytest.mark.parametrize(
    ("model", "provider", "levels"),
    [
        ("qwen3:8b", "local", []),
        ("gpt-oss:20b", "local", ["low", "medium", "high"]),
        ("org/gpt-oss:20b", "cloud", ["low", "medium", "high"]),
        ("any", "vllm", ["low", "medium", "high"]),
    ],
)
def test_levels_of_thinking_follow_the_kind_of_server(model, provider, levels):
    model_ = {"provider": provider, "model": model, "capabilities": ["chat", "thinking"]}
    assert rules(stack(models=STACK["models"] | {"x": model_}), "x")["levels"] == levels


def test_who_runs_outside_the_house_is_known():
    outside = {name: rules(stack(), name)["outside"] for name in (LLAMA, "coder", CLOUD)}
    assert outside == {LLAMA: False, "coder": True, CLOUD: True}


def test_a_chain_for_long_prompts_belongs_to_the_name_that_is_asked_for():
    declared = stack(context_window_chains={"eco": [CLOUD]}, tiers={"eco": [LLAMA, "coder"]})
    assert rules(declared, "eco")["context_chain"]
    assert not rules(declared, LLAMA)["context_chain"]


def test_an_alias_for_many_names_is_none_that_litellm_knows():
    declared = stack(aliases={"claude-*": LLAMA, "gpt": LLAMA})
    assert config(declared)["router_settings"]["model_group_alias"] == {"gpt": LLAMA}
    assert table(declared)["aliases"] == {"claude-*": LLAMA, "gpt": LLAMA}
    assert "claude-*" not in chains(declared, "fallbacks")


def test_all_that_is_a_chat_is_asked_as_a_chat():
    rendered = config(stack())
    assert rendered["litellm_settings"]["use_chat_completions_url_for_anthropic_messages"] is True
    bridged = {
        row["model_name"]
        for row in rendered["model_list"]
        if row["litellm_params"].get("use_chat_completions_api")
    }
    assert bridged == {"coder"}


def test_a_mix_is_shared_by_weight_whatever_the_strategy():
    assert strategy(stack(strategy="latency", mixes={"m": {LLAMA: 1, CLOUD: 1}}), "m") == "weighted"


def test_a_deployment_has_the_deadlines_of_its_model_or_else_of_its_provider():
    vllm = STACK["providers"]["vllm"] | {"first_token_timeout": 5, "stream_timeout": 7}
    models = STACK["models"] | {"coder": {"provider": "vllm", "first_token_timeout": 2}}
    routing_table = table(stack(models=models, providers=STACK["providers"] | {"vllm": vllm}))
    coder = routing_table["deployments"]["vllm/coder"]
    assert (coder["first_token_timeout"], coder["stream_timeout"], coder["timeout"]) == (2, 7, 3600)


def test_an_embedding_has_no_first_token():
    local = STACK["providers"]["local"] | {"first_token_timeout": 5}
    routing_table = table(stack(providers=STACK["providers"] | {"local": local}))["deployments"]
    assert routing_table["box1/embed"]["kind"] == "embedding"
    assert routing_table["box1/embed"]["first_token_timeout"] is None
    assert routing_table[f"box1/{LLAMA}"]["first_token_timeout"] == 5


def test_the_cooldown_is_the_gateways_setting():
    assert table(stack(), two_boxes(gateway_cooldown=3))["cooldown"] == 3


@pytest.mark.parametrize(
    "data", [{"ollama_priority": 11}, {"ollama_weight": 0}, {"gateway_cooldown": 0}]
)
def test_settings_of_routing_have_bounds(data):
    with pytest.raises(Exception, match=f"{next(iter(data))} \\(host box1\\): input should be"):
        load_settings("box1", data)
