"""LiteLLM's own settings are laid over, and secrets in them go into the vault."""

from __future__ import annotations

import pytest
import yaml

from llmrack.adopt.adopt import adopt
from llmrack.adopt.source import read_source
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


def variables_of(folder):
    return site_of(folder).stack.litellm["environment_variables"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_HEADERS", "x-honeycomb-team=canary"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Basic canary"),
        ("OTEL_NO_SUCH_NAME", "canary"),
        ("OTEL_ENDPOINT", "https://user:canary@otel.example"),
        ("OTEL_ENDPOINT", "https://otel.example/?x=canary"),
        ("OTEL_ENDPOINT", "https://otel.example/hook/canary-0123456789abcdef"),
    ],
)
def test_a_variable_of_an_integration_is_a_secret_unless_it_certainly_is_none(
    tmp_path, identity, name, value
):
    done = adopted(tmp_path, f"{name}={value}\n", litellm_settings={"callbacks": ["otel"]})
    assert variables_of(tmp_path) == {name: f"os.environ/{name}"}
    assert done.secrets[name].reveal() == value
    assert "canary" not in "".join(done.notes.printed())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_ENDPOINT", "https://otel.example:4318/v1/traces"),
        ("OTEL_EXPORTER", "otlp_http"),
        ("OTEL_DEBUG", "true"),
        ("OTEL_TIMEOUT", "30"),
        ("OTEL_PUBLIC_KEY", "pk-1"),
    ],
)
def test_a_variable_that_is_certainly_no_secret_is_in_the_stack(tmp_path, identity, name, value):
    done = adopted(tmp_path, f"{name}={value}\n", litellm_settings={"callbacks": ["otel"]})
    assert variables_of(tmp_path) == {name: value}
    assert name not in done.secrets
    assert f".env: {name}: litellm.environment_variables.{name}" in "".join(done.notes.printed())


@pytest.mark.parametrize(
    ("sections", "names"),
    [
        (
            {"litellm_settings": {"cache": True, "cache_params": {"type": "redis"}}},
            ["REDIS_HOST", "REDIS_PORT", "REDIS_PASSWORD"],
        ),
        ({"litellm_settings": {"cache": True}}, ["REDIS_URL"]),
        (
            {
                "guardrails": [
                    {
                        "guardrail_name": "g",
                        "litellm_params": {"guardrail": "presidio", "mode": "pre_call"},
                    }
                ]
            },
            ["PRESIDIO_ANALYZER_API_BASE"],
        ),
        ({"litellm_settings": {"callbacks": ["datadog"]}}, ["DD_API_KEY", "DD_SITE"]),
        ({"litellm_settings": {"success_callback": "s3_v2"}}, ["AWS_ACCESS_KEY_ID"]),
        ({"general_settings": {"alerting": ["slack"]}}, ["SLACK_WEBHOOK_URL"]),
    ],
)
def test_variables_of_integrations_of_other_names_come_along(tmp_path, identity, sections, names):
    env = "".join(f"{name}=canary\n" for name in names)
    done = adopted(tmp_path, env + "UNRELATED=1\nLITELLM_X=1\n", **sections)
    assert sorted(variables_of(tmp_path)) == sorted(names)
    assert done.notes.is_whole


@pytest.mark.parametrize("kind", ["local", "disk"])
def test_a_cache_on_the_host_reads_no_variables(tmp_path, identity, kind):
    settings = {"cache": True, "cache_params": {"type": kind}}
    adopted(tmp_path, "REDIS_HOST=192.0.2.5\nLOCAL_X=1\nDISK_X=1\n", litellm_settings=settings)
    assert "environment_variables" not in site_of(tmp_path).stack.litellm


def test_variables_of_the_configuration_are_named_once(tmp_path, identity):
    adopted(tmp_path, environment_variables={"TZ": "UTC"})
    assert variables_of(tmp_path) == {"TZ": "UTC"}
    source = read_source(tmp_path / "old/config.yaml", None, None)
    adopt(source)
    assert source.environment.unused() == {}


REDIS = "services: {redis: {image: redis, ports: ['6380:6379']}, quiet: {image: redis}}\n"


@pytest.mark.parametrize(
    ("params", "env", "expected"),
    [
        ({"host": "redis"}, "", {"host": "127.0.0.1", "port": 6380}),
        ({"host": "redis", "port": "6379"}, "", {"host": "127.0.0.1", "port": 6380}),
        (
            {"host": "os.environ/REDIS_HOST", "port": "os.environ/REDIS_PORT"},
            "REDIS_HOST=redis\nREDIS_PORT=6379\n",
            {"host": "127.0.0.1", "port": 6380},
        ),
        ({"host": "192.0.2.5", "port": 1}, "", {"host": "192.0.2.5", "port": 1}),
    ],
)
def test_a_host_that_is_a_container_is_its_published_port(
    tmp_path, identity, params, env, expected
):
    settings = {"cache": True, "cache_params": {"type": "redis", **params}}
    adopted(tmp_path, env, REDIS, litellm_settings=settings)
    cache = site_of(tmp_path).stack.litellm["litellm_settings"]["cache_params"]
    assert cache == {"type": "redis", **expected}


def test_variables_with_a_container_have_its_published_port(tmp_path, identity):
    env = "REDIS_HOST=redis\nREDIS_PORT=6379\nREDIS_URL=redis://:canary@redis:6379\n"
    done = adopted(tmp_path, env, REDIS, litellm_settings={"cache": True})
    assert variables_of(tmp_path) == {
        "REDIS_HOST": "127.0.0.1",
        "REDIS_PORT": "6380",
        "REDIS_URL": "os.environ/REDIS_URL",
    }
    assert done.secrets["REDIS_URL"].reveal() == "redis://:canary@127.0.0.1:6380"
    text = "".join(done.notes.printed())
    assert "canary" not in text and ".env: REDIS_HOST: litellm." in text


def test_a_container_of_a_cache_that_publishes_nothing_is_told_what_to_publish(tmp_path, identity):
    settings = {"cache": True, "cache_params": {"host": "quiet"}}
    done = adopted(tmp_path, "", REDIS, litellm_settings=settings)
    (line,) = lost(done)
    assert 'add to quiet in compose.yaml: ports: ["127.0.0.1:6379:6379"]' in line


def test_a_host_of_a_cache_that_may_be_a_container_is_told(tmp_path, identity):
    done = adopted(tmp_path, litellm_settings={"cache": True, "cache_params": {"host": "redis"}})
    assert "the name looks like a container's" in "".join(done.notes.printed())
    assert done.notes.is_whole


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


def guardrail(name, kind):
    return {"guardrail_name": name, "litellm_params": {"guardrail": kind, "mode": "pre_call"}}


def test_lines_of_a_list_are_those_of_the_file(tmp_path, identity):
    guardrails = [guardrail("h", "mine.check"), guardrail("i", "presidio")]
    done = adopted(
        tmp_path,
        guardrails=guardrails,
        litellm_settings={"success_callback": ["mine.x", "langfuse"], "callbacks": "otel"},
    )
    assert [g["guardrail_name"] for g in site_of(tmp_path).stack.litellm["guardrails"]] == ["i"]
    text = "\n".join(done.notes.printed())
    (line,) = lost(done)
    assert "guardrails.0: not taken over: litellm_params.guardrail names a Python module" in line
    assert ": guardrails.0." not in text
    assert "guardrails.1.guardrail_name: litellm.guardrails.0.guardrail_name" in text
    assert "success_callback.0: left out: names a Python module" in text
    assert "success_callback.1: litellm.litellm_settings.success_callback.0" in text
    assert "settings.callbacks: litellm.litellm_settings.callbacks.0" in text


def test_a_server_of_which_a_part_is_refused_is_not_kept(tmp_path, identity):
    servers = {
        "a": {"url": "https://x.example/mcp", "args": ["--key", "sk-canary-0123456789"]},
        "b": {"url": "https://y.example/mcp"},
    }
    done = adopted(tmp_path, mcp_servers=servers)
    assert site_of(tmp_path).stack.litellm == {"mcp_servers": {"b": servers["b"]}}
    (line,) = lost(done)
    assert "mcp_servers.a: not taken over: " in line
    assert "canary" not in "".join(done.notes.printed())
    assert list(done.secrets) == ["LITELLM_MASTER_KEY"]


def test_lists_that_share_a_reference_of_yaml_are_apart(tmp_path, identity):
    text = yaml.safe_dump(MODELS)
    text += "litellm_settings:\n  success_callback: &a [mine.x, langfuse]\n"
    text += "  failure_callback: *a\n"
    taken_over(tmp_path, text)
    assert site_of(tmp_path).stack.litellm["litellm_settings"] == {
        "success_callback": ["langfuse"],
        "failure_callback": ["langfuse"],
    }


@pytest.mark.parametrize(
    ("section", "name", "value", "cause"),
    [
        ("general_settings", "database_url", "postgresql://x", "the gateway has no database"),
        ("general_settings", "store_model_in_db", True, "the gateway has no database"),
        ("general_settings", "custom_auth", "auth.check", "would change who may ask"),
        ("general_settings", "enable_jwt_auth", True, "would change who may ask"),
        ("litellm_settings", "api_base", "http://192.0.2.9", "would change what all providers"),
        ("litellm_settings", "callbacks", ["hooks.mine"], "names a Python module"),
    ],
)
def test_what_clients_notice_is_not_taken_over(tmp_path, identity, section, name, value, cause):
    done = adopted(tmp_path, **{section: {name: value}})
    (line,) = lost(done)
    assert f"{section}.{name}" in line and cause in line and "; " in line


@pytest.mark.parametrize(
    ("env", "is_whole"),
    [
        ("DATABASE_URL=postgresql://litellm:canary@db/litellm\n", False),
        ("STORE_MODEL_IN_DB=True\n", False),
        ("STORE_MODEL_IN_DB=False\n", True),
    ],
)
def test_a_database_in_a_variable_is_noticed(tmp_path, identity, env, is_whole):
    done = adopted(tmp_path, env)
    assert done.notes.is_whole is is_whole
    assert "canary" not in "".join(done.notes.printed())


@pytest.mark.parametrize(
    ("general", "env"),
    [({}, "A=1 # LITELLM_MASTER_KEY\n"), ({"master_key": "os.environ/K"}, "")],
)
def test_clients_that_need_another_key_are_noticed(tmp_path, identity, general, env):
    done = adopted(tmp_path, env, general_settings=general)
    (line,) = lost(done)
    assert "key" in line and "; " in line
    assert "LITELLM_MASTER_KEY" not in done.secrets


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
