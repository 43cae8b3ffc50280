"""LiteLLM's own settings stand in config.yaml beside those of llmrack."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from llmrack.components.gateway.gateway import configuration
from llmrack.components.plan import plan_text
from llmrack.secrets.value import Secret
from tests.unit.declare import host, site, stack, two_boxes

CALLBACKS = ["gateway.hooks.routing", "gateway.hooks.request_log"]
LITELLM: dict[str, Any] = {
    "litellm_settings": {
        "callbacks": ["langfuse_otel", "otel"],
        "cache": True,
        "cache_params": {"type": "local", "ttl": 1e-05},
    },
    "general_settings": {"alerting": ["slack"]},
    "router_settings": {"redis_host": "10.0.0.9"},
    "environment_variables": {"LANGFUSE_SECRET_KEY": "os.environ/LANGFUSE_SECRET_KEY"},
    "guardrails": [
        {
            "guardrail_name": "mail",
            "litellm_params": {"guardrail": "litellm_content_filter", "mode": "pre_call"},
        }
    ],
}


def text(litellm: dict[str, Any], monitored: bool = False) -> str:
    fleet = two_boxes()
    if monitored:
        fleet = replace(fleet, hosts=(*fleet.hosts, host("watch", ("monitor",), "10.0.0.3")))
    return configuration(stack(litellm=litellm), fleet, fleet.hosts[0])


def test_settings_are_added_to_those_of_llmrack() -> None:
    before, after = yaml.safe_load(text({})), yaml.safe_load(text(LITELLM))
    assert after["litellm_settings"].pop("callbacks") == [*CALLBACKS, "langfuse_otel", "otel"]
    assert before["litellm_settings"].pop("callbacks") == CALLBACKS
    added = {name: dict(section) for name, section in LITELLM.items() if isinstance(section, dict)}
    del added["litellm_settings"]["callbacks"]
    for section in ("litellm_settings", "general_settings", "router_settings"):
        assert after[section] == before[section] | added[section]
    assert after["model_list"] == before["model_list"]
    assert after["guardrails"] == LITELLM["guardrails"]
    assert after["environment_variables"] == LITELLM["environment_variables"]


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
PLAIN = st.recursive(
    TEXTS | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None, max_examples=150)
@given(value=PLAIN, names=st.lists(TEXTS, unique=True, max_size=3))
def test_every_value_arrives_as_it_was_written(value: object, names: list[str]) -> None:
    callbacks = [name for name in names if name != "prometheus"]
    litellm = {
        "litellm_settings": {"callbacks": callbacks, "datadog_params": value},
        "prompts": {"a": value},
    }
    after = yaml.safe_load(text(litellm))
    assert after["litellm_settings"]["callbacks"] == [*CALLBACKS, *callbacks]
    assert after["litellm_settings"]["datadog_params"] == value
    assert after["prompts"] == {"a": value}
    assert after["general_settings"]["custom_auth"] == "gateway.hooks.user_api_key_auth"


def test_an_empty_section_changes_nothing() -> None:
    assert text({"litellm_settings": {}, "router_settings": {}}) == text({})


def test_a_callback_that_is_already_there_is_not_added() -> None:
    litellm = {"litellm_settings": {"callbacks": ["prometheus", "otel", "otel"]}}
    for monitored in (False, True):
        after = yaml.safe_load(text(litellm, monitored))["litellm_settings"]["callbacks"]
        assert sorted(after) == sorted([*CALLBACKS, "prometheus", "otel"])


def test_what_was_said_reaches_callbacks_only_if_it_is_declared() -> None:
    name = "turn_off_message_logging"
    assert yaml.safe_load(text(LITELLM))["litellm_settings"][name] is True
    after = text({"litellm_settings": {name: False}})
    assert yaml.safe_load(after)["litellm_settings"][name] is False
    assert after.count(f"{name}:") == 1


def test_the_plan_shows_settings_and_no_secret() -> None:
    secret = "the-secret-of-langfuse"
    whole = site(stack(litellm=LITELLM), secrets={"LANGFUSE_SECRET_KEY": Secret(secret)})
    box1, box2 = whole.fleet.hosts
    plan = plan_text(whole, box1, files=True)
    assert "LiteLLM's own settings: litellm_settings (callbacks, cache, cache_params)" in plan
    assert "callbacks: [gateway.hooks.routing, gateway.hooks.request_log, langfuse_otel" in plan
    assert "LANGFUSE_SECRET_KEY=********" in plan
    assert secret not in plan
    assert "LiteLLM's own settings" not in plan_text(whole, box2, files=False)
