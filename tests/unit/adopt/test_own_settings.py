"""LiteLLM's own settings are laid over, and secrets in them go into the vault."""

from __future__ import annotations

import pytest
import yaml

from tests.unit.adopt.round_trip import rendered, site_of, taken_over

MODELS = {
    "model_list": [
        {
            "model_name": "m",
            "litellm_params": {"model": "openai/m", "api_base": "http://192.0.2.8/v1"},
        }
    ]
}


def adopted(folder, env="", compose="", **sections):
    return taken_over(folder, yaml.safe_dump(MODELS | sections), env, compose)


def left_out(done):
    return [line for line in done.notes.printed() if "left out" in line]


def lost(done):
    return [line for line in done.notes.printed() if "not taken over" in line]


def test_settings_of_litellm_are_laid_over(tmp_path, identity):
    settings = {"cache": True, "cache_params": {"type": "local", "ttl": 60}}
    done = adopted(tmp_path, litellm_settings=settings)
    assert left_out(done) == []
    config, _ = rendered(site_of(tmp_path))
    assert config["litellm_settings"]["cache_params"] == {"type": "local", "ttl": 60}


def test_callbacks_in_one_word_are_a_list(tmp_path, identity):
    adopted(tmp_path, litellm_settings={"success_callback": "langfuse"})
    config, _ = rendered(site_of(tmp_path))
    assert config["litellm_settings"]["success_callback"] == ["langfuse"]


def test_variables_that_a_callback_reads_come_along(tmp_path, identity):
    env = "LANGFUSE_PUBLIC_KEY=pk-1\nLANGFUSE_SECRET_KEY=sk-canary-1\nOTHER=1\n"
    env += "LANGFUSE_HOST=https://langfuse.example\n"
    adopted(tmp_path, env, litellm_settings={"callbacks": ["langfuse_otel"]})
    site = site_of(tmp_path)
    assert site.stack.litellm["environment_variables"] == {
        "LANGFUSE_HOST": "https://langfuse.example",
        "LANGFUSE_PUBLIC_KEY": "pk-1",
        "LANGFUSE_SECRET_KEY": "os.environ/LANGFUSE_SECRET_KEY",
    }
    assert site.secrets["LANGFUSE_SECRET_KEY"].reveal() == "sk-canary-1"


def test_a_secret_in_plain_text_goes_into_the_vault(tmp_path, identity):
    cache = {"type": "redis", "host": "192.0.2.4", "password": "canary-of-redis"}
    done = adopted(tmp_path, litellm_settings={"cache": True, "cache_params": cache})
    site = site_of(tmp_path)
    assert "canary" not in (tmp_path / "new/stack.yaml").read_text() + str(done.notes.printed())
    assert (
        site.stack.litellm["litellm_settings"]["cache_params"]["password"]
        == "os.environ/CACHE_PARAMS_PASSWORD"
    )
    assert site.secrets["CACHE_PARAMS_PASSWORD"].reveal() == "canary-of-redis"


def test_keys_of_the_section_of_variables_are_secrets(tmp_path, identity):
    models = [
        {
            "model_name": "m",
            "litellm_params": {"model": "openai/gpt-4o", "api_key": "os.environ/OPENAI_API_KEY"},
        }
    ]
    variables = {"OPENAI_API_KEY": "canary-of-openai", "TZ": "UTC"}
    adopted(tmp_path, model_list=models, environment_variables=variables)
    site = site_of(tmp_path)
    assert site.stack.litellm["environment_variables"] == {"TZ": "UTC"}
    assert site.secrets["OPENAI_API_KEY"].reveal() == "canary-of-openai"


def test_ways_past_the_gateway_need_a_key(tmp_path, identity):
    ends = [{"path": "/x", "target": "https://x.example"}]
    adopted(tmp_path, general_settings={"pass_through_endpoints": ends})
    (end,) = site_of(tmp_path).stack.litellm["general_settings"]["pass_through_endpoints"]
    assert end["auth"] is True


def test_addresses_of_containers_are_those_of_their_host(tmp_path, identity):
    compose = "services: {redis: {image: redis, ports: ['6380:6379']}}\n"
    cache = {"type": "redis", "url": "redis://redis:6379"}
    adopted(tmp_path, compose=compose, litellm_settings={"cache_params": cache})
    settings = site_of(tmp_path).stack.litellm["litellm_settings"]
    assert settings["cache_params"]["url"] == "redis://127.0.0.1:6380"


@pytest.mark.parametrize(
    ("section", "name", "value", "cause"),
    [
        ("litellm_settings", "num_retries", 3, "would change who answers"),
        ("litellm_settings", "allowed_fails", 3, "would change who answers"),
        ("litellm_settings", "set_verbose", True, "would print what clients say"),
        ("litellm_settings", "drop_params", True, "is set by llmrack itself"),
        ("litellm_settings", "success_callback", ["hooks.mine"], "names a Python module"),
        ("litellm_settings", "success_callback", "hooks.mine", "names a Python module"),
        ("litellm_settings", "no_such_setting", 1, "'no_such_setting' is not known to LiteLLM"),
        ("router_settings", "allowed_fails", 3, "would change who answers"),
        ("general_settings", "alerting", None, "has no value"),
    ],
)
def test_what_llmrack_does_itself_is_left_out_with_the_reason(
    tmp_path, identity, section, name, value, cause
):
    done = adopted(tmp_path, **{section: {name: value}})
    (line,) = left_out(done)
    assert f"{section}.{name}" in line and f"left out: {cause}" in line
    assert "litellm" not in site_of(tmp_path).stack.model_fields_set
    assert done.notes.is_whole


def test_of_several_callbacks_only_a_module_is_left_out(tmp_path, identity):
    names = ["hooks.a", "langfuse_otel", "hooks.b", "prometheus"]
    adopted(tmp_path, litellm_settings={"callbacks": names})
    assert site_of(tmp_path).stack.litellm == {
        "litellm_settings": {"callbacks": ["langfuse_otel", "prometheus"]}
    }


@pytest.mark.parametrize("value", ["sk-1234", "changeme"])
def test_a_weak_master_key_is_not_kept(tmp_path, identity, value):
    done = adopted(tmp_path, general_settings={"master_key": value})
    assert "LITELLM_MASTER_KEY" not in done.secrets
    (line,) = lost(done)
    assert "general_settings.master_key" in line and "the first deploy makes another one" in line


def test_a_setting_that_stands_twice_counts_as_in_litellm(tmp_path, identity):
    text = yaml.safe_dump(MODELS) + "litellm_settings: {cache: true}\nlitellm_settings:\n"
    text += "  request_timeout: 5\n"
    done = taken_over(tmp_path, text)
    assert any("litellm_settings: left out: stands there twice" in line for line in left_out(done))
    assert site_of(tmp_path).stack.providers["openai"].timeout == 5
