"""Entries of model_list that are more than an address and a name."""

from __future__ import annotations

import pytest
import yaml

from tests.unit.adopt.round_trip import site_of, taken_over

SERVER = {"model": "openai/m", "api_base": "http://192.0.2.8/v1"}


def adopted(folder, params, env="", info=None, **sections):
    entry = {"model_name": "m", "litellm_params": params}
    if info:
        entry["model_info"] = info
    return taken_over(folder, yaml.safe_dump({"model_list": [entry], **sections}), env)


def model(folder):
    return site_of(folder).stack.models["m"]


def provider(folder):
    (only,) = site_of(folder).stack.providers.values()
    return only


@pytest.mark.parametrize(
    ("params", "info", "capabilities"),
    [
        (SERVER, {}, ("chat",)),
        (SERVER, {"mode": "embedding"}, ("embedding",)),
        (SERVER, {"mode": "embeddings"}, ("embedding",)),
        (SERVER, {"mode": "audio_transcription"}, ("transcription",)),
        (SERVER, {"mode": "rerank"}, ("rerank",)),
        (SERVER, {"mode": "completion"}, ("chat",)),
        (SERVER, {"supports_vision": True}, ("chat", "vision")),
        (SERVER, {"supports_vision": False, "supports_reasoning": True}, ("chat", "thinking")),
        (SERVER | {"model": "openai/bge-embed"}, {}, ("embedding",)),
        (SERVER | {"model": "openai/whisper-1"}, {}, ("transcription",)),
        (SERVER | {"model": "openai/gpt-4o-x"}, {}, ("chat", "vision")),
        (SERVER | {"model": "openai/gpt-4o-x"}, {"supports_vision": False}, ("chat",)),
    ],
)
def test_what_a_model_can_do(tmp_path, identity, params, info, capabilities):
    adopted(tmp_path, params, info=info)
    assert model(tmp_path).capabilities == capabilities


def test_parameters_of_requests(tmp_path, identity):
    params = {"temperature": 0.2, "max_tokens": 900, "stop": "END", "additional_drop_params": ["x"]}
    adopted(tmp_path, SERVER | params | {"drop_params": True})
    defaults = model(tmp_path).defaults.model_dump(exclude_none=True)
    assert defaults == {"temperature": 0.2, "max_tokens": 900, "stop": ("END",)}
    assert model(tmp_path).drop == ("x",)


def test_fields_of_the_server_s_own(tmp_path, identity):
    fields = {"chat_template_kwargs": {"preserve_thinking": True}, "temperature": 0.1}
    done = adopted(tmp_path, SERVER | {"extra_body": fields})
    assert model(tmp_path).extra_body == {"chat_template_kwargs": {"preserve_thinking": True}}
    text = "\n".join(done.notes.printed())
    assert "extra_body.chat_template_kwargs: extra_body: chat_template_kwargs" in text
    assert "extra_body.temperature: not taken over: 'temperature' has a place of its own" in text


def test_the_context_of_somebody_s_ollama(tmp_path, identity):
    ollama = {"model": "ollama_chat/m", "api_base": "http://192.0.2.8:11434", "num_ctx": 8192}
    adopted(tmp_path, ollama | {"extra_body": {"options": {"num_gpu": 1}}})
    assert model(tmp_path).extra_body == {"options": {"num_ctx": 8192, "num_gpu": 1}}


def test_the_level_of_thinking(tmp_path, identity):
    adopted(tmp_path, SERVER | {"reasoning_effort": "low"})
    assert model(tmp_path).capabilities == ("chat", "thinking")
    assert model(tmp_path).thinking.default == "low"


@pytest.mark.parametrize("place", ["params", "info"])
def test_the_price_is_for_a_million_tokens(tmp_path, identity, place):
    cost = {"input_cost_per_token": 1.5e-07, "output_cost_per_token": "6e-07"}
    params, info = (SERVER | cost, {}) if place == "params" else (SERVER, cost)
    adopted(tmp_path, params, info=info)
    assert model(tmp_path).price.model_dump() == {"input": 0.15, "output": 0.6}


def test_headers_with_secrets_are_kept_apart(tmp_path, identity):
    headers = {
        "X-Title": "mine",
        "X-API-Key": "canary-1",
        "Content-Type": "application/json",
        "X-Auth": "canary-2",
        "Ocp-Apim-Subscription": "canary-3",
        "X-Beta": "Bearer canary-4",
        "X-Org-Tag": "canary-5",
        "anthropic-version": "2023-06-01",
    }
    adopted(
        tmp_path, SERVER | {"extra_headers": headers, "headers": {"X-B": "os.environ/B"}}, "B=2\n"
    )
    assert provider(tmp_path).headers == {"X-Title": "mine", "anthropic-version": "2023-06-01"}
    assert provider(tmp_path).secret_headers == {
        "X-B": "B",
        "X-API-Key": "OPENAI_X_API_KEY",
        "X-Auth": "OPENAI_X_AUTH",
        "Ocp-Apim-Subscription": "OPENAI_OCP_APIM_SUBSCRIPTION",
        "X-Beta": "OPENAI_X_BETA",
        "X-Org-Tag": "OPENAI_X_ORG_TAG",
    }
    assert "canary" not in (tmp_path / "new/stack.yaml").read_text()


@pytest.mark.parametrize("key", ["none", "dummy", "EMPTY", "no-key", "xxx", ""])
def test_what_only_fills_the_place_of_a_key_is_none(tmp_path, identity, key):
    adopted(tmp_path, SERVER | {"api_key": key})
    assert provider(tmp_path).api_key is None


def test_a_certificate_that_is_not_verified(tmp_path, identity):
    url = {"api_base": "https://llm.example/v1", "ssl_verify": False}
    adopted(tmp_path, {"model": "openai/m", **url})
    assert provider(tmp_path).tls_verify is False


@pytest.mark.parametrize(
    ("params", "env", "settings", "secret_settings"),
    [
        (
            {"model": "azure/d", "api_base": "https://x.example", "api_version": "2024-10-21"},
            "AZURE_API_KEY=canary\n",
            {"api_version": "2024-10-21"},
            {},
        ),
        (
            {"model": "azure/d", "api_base": "https://x.example", "api_key": "os.environ/K"},
            "K=canary\n",
            # As LiteLLM has it where nothing is said.
            {"api_version": "2025-02-01-preview"},
            {},
        ),
        (
            {"model": "bedrock/org.model-v1:0", "aws_region_name": "eu-central-1"},
            "AWS_ACCESS_KEY_ID=canary-1\nAWS_SECRET_ACCESS_KEY=canary-2\n",
            {"aws_region_name": "eu-central-1"},
            {
                "aws_access_key_id": "AWS_ACCESS_KEY_ID",
                "aws_secret_access_key": "AWS_SECRET_ACCESS_KEY",
            },
        ),
        (
            {
                "model": "bedrock/org.model-v1:0",
                "aws_access_key_id": "canary-1",
                "aws_secret_access_key": "os.environ/SECRET",
            },
            "SECRET=canary-2\nAWS_REGION=eu-west-1\n",
            {"aws_region_name": "eu-west-1"},
            {"aws_access_key_id": "AWS_ACCESS_KEY_ID", "aws_secret_access_key": "SECRET"},
        ),
        (
            {"model": "vertex_ai/gemini-x", "vertex_location": "global", "vertex_project": "p"},
            "",
            {"vertex_location": "global", "vertex_project": "p"},
            {},
        ),
    ],
)
def test_what_a_service_needs(tmp_path, identity, params, env, settings, secret_settings):
    adopted(tmp_path, params, env)
    assert dict(provider(tmp_path).settings) == settings
    assert dict(provider(tmp_path).secret_settings) == secret_settings
    assert "canary" not in (tmp_path / "new/stack.yaml").read_text()


def test_the_environment_of_the_command_is_not_read(tmp_path, identity, monkeypatch):
    """It is somebody's shell, and its keys belong to something else."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "OPENAI_BASE_URL"):
        monkeypatch.setenv(name, "canary-of-the-shell")
    entries = [
        {"model_name": "a", "litellm_params": {"model": "bedrock/org.m-v1:0"}},
        {"model_name": "b", "litellm_params": {"model": "openai/gpt-4o", "api_key": "x-1"}},
    ]
    done = taken_over(tmp_path, yaml.safe_dump({"model_list": entries}))
    assert "canary" not in (tmp_path / "new/stack.yaml").read_text()
    assert {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}.isdisjoint(done.secrets)


def test_a_service_of_a_cloud_without_keys_takes_the_role_of_the_machine(tmp_path, identity):
    done = adopted(tmp_path, {"model": "bedrock/org.m-v1:0", "aws_region_name": "eu-west-1"})
    assert not provider(tmp_path).secret_settings
    assert "role that the cloud gives the machine" in "".join(done.notes.printed())


def test_half_of_the_keys_of_a_service_names_the_other_half(tmp_path, identity):
    params = {"model": "bedrock/org.m-v1:0", "aws_access_key_id": "os.environ/KEY"}
    done = adopted(tmp_path, params, "KEY=canary\n")
    (declared,) = done.stack["providers"].values()
    assert declared["secret_settings"]["aws_secret_access_key"] == "AWS_SECRET_ACCESS_KEY"


ADDRESS = "http://192.0.2.8/v1"


@pytest.mark.parametrize(
    ("params", "env", "url", "key"),
    [
        ({"model": "gpt-4o"}, f"OPENAI_API_BASE={ADDRESS}\nOPENAI_API_KEY=k-1\n", ADDRESS, True),
        ({"model": "gpt-4o", "api_key": "k-1"}, f"OPENAI_BASE_URL={ADDRESS}\n", ADDRESS, True),
        (
            {"model": "gpt-4o", "api_key": "k-1"},
            f"OPENAI_API_BASE=http://192.0.2.9\nOPENAI_BASE_URL={ADDRESS}\n",
            ADDRESS,
            True,
        ),
        (
            {"model": "anthropic/claude-x"},
            "ANTHROPIC_API_BASE=https://x.example\nANTHROPIC_API_KEY=k-1\n",
            "https://x.example",
            True,
        ),
        (
            {"model": "azure/d", "api_key": "k-1"},
            "AZURE_API_BASE=https://x.example\n",
            "https://x.example",
            True,
        ),
        ({"model": "hosted_vllm/m"}, f"HOSTED_VLLM_API_BASE={ADDRESS}\n", ADDRESS, False),
        (
            {"model": "hosted_vllm/m", "api_base": ADDRESS},
            "HOSTED_VLLM_API_KEY=k-1\n",
            ADDRESS,
            True,
        ),
        ({"model": "openai/a", "api_base": ADDRESS}, "OPENAI_API_KEY=k-1\n", ADDRESS, True),
        ({"model": "openai/a", "api_base": ADDRESS}, "OPENAI_API_KEY=dummy\n", ADDRESS, False),
        ({"model": "lm_studio/a", "api_base": ADDRESS}, "LM_STUDIO_API_KEY=k-1\n", ADDRESS, True),
        (
            {"model": "ollama_chat/c", "api_base": "https://ollama.com"},
            "OLLAMA_API_KEY=k-1\n",
            "https://ollama.com",
            True,
        ),
        ({"model": "ollama/c"}, "OLLAMA_API_BASE=http://192.0.2.8:11434\n", "", False),
    ],
)
def test_addresses_and_keys_that_litellm_takes_from_variables(
    tmp_path, identity, params, env, url, key
):
    done = adopted(tmp_path, params, env)
    site = site_of(tmp_path)
    declared = provider(tmp_path)
    assert done.notes.is_whole
    assert declared.base == (url or "http://192.0.2.8:11434")
    assert [site.secrets[name].reveal() for name in declared.secrets] == (["k-1"] if key else [])


def test_an_address_among_the_variables_of_the_configuration_is_the_providers(tmp_path, identity):
    variables = {"ANTHROPIC_API_BASE": "https://x.example"}
    params = {"model": "anthropic/claude-x", "api_key": "k-1"}
    done = adopted(tmp_path, params, environment_variables=variables)
    assert provider(tmp_path).url == "https://x.example"
    assert "litellm" not in done.stack
    (line,) = [line for line in done.notes.printed() if "environment_variables." in line]
    assert "the url of the providers" in line


@pytest.mark.parametrize(
    "url",
    [
        "http://user:canary@192.0.2.8/v1",
        "https://x.example/v1?key=canary",
        "https://x.example/v1?signature=canary",
        "user:canary@192.0.2.8/v1",
        "os.environ/BASE",
    ],
)
def test_no_key_in_an_address_is_printed(tmp_path, identity, url):
    other = {"model_name": "other", "litellm_params": SERVER}
    entry = {"model_name": "m", "litellm_params": SERVER | {"api_base": url}}
    text = yaml.safe_dump({"model_list": [entry, other]})
    done = taken_over(tmp_path, text, "BASE=http://user:canary@192.0.2.8/v1\n")
    lines = [line for line in done.notes.printed() if "model_list.0" in line]
    assert len(lines) == 1 and "not taken over" in lines[0]
    assert "canary" not in "".join(done.notes.printed()) + (tmp_path / "new/stack.yaml").read_text()


def test_variables_that_differ_in_case_or_signs_are_two_secrets(tmp_path, identity):
    entries = [
        {"model_name": name, "litellm_params": SERVER | {"api_base": base, "api_key": key}}
        for name, base, key in (
            ("a", "http://192.0.2.8/v1", "os.environ/my-key"),
            ("b", "http://192.0.2.9/v1", "os.environ/MY_KEY"),
            ("c", "http://192.0.2.10/v1", "os.environ/MY_KEY_2"),
        )
    ]
    env = "my-key=one\nMY_KEY=two\nMY_KEY_2=three\n"
    taken_over(tmp_path, yaml.safe_dump({"model_list": entries}), env)
    site = site_of(tmp_path)
    sent = {p.url: site.secrets[p.api_key].reveal() for p in site.stack.providers.values()}
    assert sent == {
        "http://192.0.2.8/v1": "one",
        "http://192.0.2.9/v1": "two",
        "http://192.0.2.10/v1": "three",
    }


def test_the_gateways_own_key_is_no_providers(tmp_path, identity):
    """A variable of that name may be the key of another proxy."""
    params = SERVER | {"api_key": "os.environ/LITELLM_MASTER_KEY"}
    general = {"master_key": "sk-canary-of-this-proxy"}
    adopted(tmp_path, params, "LITELLM_MASTER_KEY=sk-other\n", general_settings=general)
    site = site_of(tmp_path)
    assert site.secrets["LITELLM_MASTER_KEY"].reveal() == "sk-canary-of-this-proxy"
    assert site.secrets[provider(tmp_path).api_key].reveal() == "sk-other"


@pytest.mark.parametrize(
    ("variables", "env", "value"),
    [
        ({"A": "os.environ/REAL"}, "REAL=real\n", "real"),
        ({"A": "from-config"}, "A=from-env\n", "from-config"),
        ({"REAL": "from-config", "A": "os.environ/REAL"}, "REAL=real\n", "from-config"),
        ({"A": "os.environ/REAL", "REAL": "from-config"}, "REAL=real\n", "real"),
        ({"A": "os.environ/NONE"}, "A=from-env\n", "from-env"),
    ],
)
def test_variables_of_the_configuration_come_first(tmp_path, identity, variables, env, value):
    params = SERVER | {"api_key": "os.environ/A"}
    text = yaml.safe_dump(
        {
            "model_list": [{"model_name": "m", "litellm_params": params}],
            "environment_variables": variables,
        },
        sort_keys=False,
    )
    done = taken_over(tmp_path, text, env)
    assert done.secrets["A"].reveal() == value


def test_a_named_credential(tmp_path, identity):
    credential = {
        "credential_name": "azure",
        "credential_values": {
            "api_base": "https://x.example",
            "api_version": "2024-10-21",
            "api_key": "os.environ/K",
        },
    }
    params = {"model": "azure/d", "litellm_credential_name": "azure"}
    done = adopted(tmp_path, params, "K=canary\n", credential_list=[credential])
    assert done.notes.is_whole
    assert (provider(tmp_path).url, provider(tmp_path).api_key) == ("https://x.example", "K")


@pytest.mark.parametrize(
    ("params", "cause"),
    [
        ({"model": "m", "api_base": "http://192.0.2.8"}, "names no provider, and none is known"),
        ({"model": "no_such/m"}, "has no answers of 'no_such'"),
        ({"model": "hosted_vllm/m"}, "has no address; give it an api_base"),
        ({"model": "os.environ/MODEL"}, "refers to MODEL, which has no value in any file"),
        (SERVER | {"api_base": "os.environ/BASE"}, "refers to BASE, which has no value"),
        (SERVER | {"api_base": "10.0.0.1:8000"}, "is not an http:// or https:// address"),
        (
            SERVER | {"model": "bedrock/tts-x"},
            "llmrack has no speech of a provider of kind litellm",
        ),
        (None, "has no model_name, or no litellm_params"),
    ],
)
def test_what_cannot_be_taken_over_is_told_with_the_way_out(tmp_path, identity, params, cause):
    other = {"model_name": "other", "litellm_params": SERVER}
    entry = {"model_name": "m", "litellm_params": params}
    done = taken_over(tmp_path, yaml.safe_dump({"model_list": [entry, other]}))
    (line,) = [line for line in done.notes.printed() if "not taken over" in line]
    assert "model_list.0" in line and cause in line and "; " in line
    assert list(site_of(tmp_path).stack.models) == ["other"]


@pytest.mark.parametrize(
    ("place", "name", "value"),
    [
        ("params", "num_retries", 2),
        ("params", "cache_read_input_token_cost", 1e-8),
        ("params", "api_version", "2024-10-21"),
        ("info", "description", "x"),
    ],
)
def test_what_changes_no_answer_is_left_out(tmp_path, identity, place, name, value):
    params = SERVER | {name: value} if place == "params" else SERVER
    done = adopted(tmp_path, params, info={name: value} if place == "info" else None)
    (line,) = [line for line in done.notes.printed() if f".{name}: " in line]
    assert "left out: " in line and done.notes.is_whole


@pytest.mark.parametrize("name", ["access_groups", "team_id"])
def test_who_may_ask_for_a_model_is_not_taken_over(tmp_path, identity, name):
    done = adopted(tmp_path, SERVER, info={name: "x"})
    (line,) = [line for line in done.notes.printed() if "not taken over" in line]
    assert f"model_info.{name}" in line and "docs/keys.md" in line


def test_a_model_keeps_its_vision_before_a_chain_of_models_without(tmp_path, identity):
    entries = [
        {"model_name": "gpt", "litellm_params": {"model": "openai/gpt-4o", "api_key": "x-1"}},
        {"model_name": "m", "litellm_params": SERVER},
    ]
    settings = {"fallbacks": [{"gpt": ["m"]}]}
    data = {"model_list": entries, "litellm_settings": settings}
    taken_over(tmp_path, yaml.safe_dump(data))
    stack = site_of(tmp_path).stack
    assert stack.models["gpt"].capabilities == ("chat", "vision")
    assert stack.chains["gpt"] == ("m",)


def test_nothing_of_the_file_is_passed_over_in_silence(tmp_path, identity):
    done = adopted(tmp_path, SERVER | {"mystery": {"deep": [1]}}, unknown_section={"a": 1})
    text = "".join(done.notes.printed())
    assert "litellm_params.mystery: not taken over" in text
    assert "unknown_section: left out" in text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", "hot"),
        ("max_tokens", 0),
        ("timeout", 10**9),
        ("timeout", "soon"),
        ("rpm", -1),
        ("weight", "much"),
        ("order", 0),
        ("additional_drop_params", ["Not-A-Name"]),
        ("extra_body", {"api_key": "sk-00000000"}),
        ("extra_body", ["x"]),
        ("thinking", {"type": "enabled", "budget_tokens": 4024}),
        ("mock_response", "hello"),
        ("num_ctx", 8192),
        ("region_name", "eu"),
        ("reasoning_effort", "some"),
    ],
)
def test_a_wrong_value_is_told_and_the_rest_is_served(tmp_path, identity, name, value):
    done = adopted(tmp_path, SERVER | {name: value})
    lost = [line for line in done.notes.printed() if "not taken over" in line]
    assert len(lost) == 1
    assert site_of(tmp_path).stack.names == ("m",)


@pytest.mark.parametrize("value", [None, 5, "x", [], [1], {}, {"x": None}])
@pytest.mark.parametrize(
    "section",
    [
        *("litellm_settings", "router_settings", "general_settings", "environment_variables"),
        *("credential_list", "guardrails", "mcp_servers", "callback_settings"),
    ],
)
def test_a_section_of_another_form_ends_in_no_traceback(tmp_path, identity, section, value):
    adopted(tmp_path, SERVER, **{section: value})
    assert site_of(tmp_path).stack.names == ("m",)


@pytest.mark.parametrize("value", [5, [], [1], {"x": None}, {"model": 1}])
@pytest.mark.parametrize(
    ("section", "setting"),
    [
        *(("router_settings", name) for name in ("fallbacks", "model_group_alias")),
        *(
            ("litellm_settings", name)
            for name in ("default_fallbacks", "callbacks", "cache_params")
        ),
        ("router_settings", "routing_strategy"),
        ("general_settings", "pass_through_endpoints"),
        ("general_settings", "master_key"),
    ],
)
def test_a_setting_of_another_form_ends_in_no_traceback(
    tmp_path, identity, section, setting, value
):
    adopted(tmp_path, SERVER, **{section: {setting: value}})
    assert "m" in site_of(tmp_path).stack.names
