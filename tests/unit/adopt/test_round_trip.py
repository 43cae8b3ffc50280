"""The same names are served by the same upstreams after a configuration was taken over."""

from __future__ import annotations

import pytest
import yaml

from tests.unit.adopt.round_trip import differences, site_of, taken_over

# Each is a configuration, and the variables that it refers to.
ENTRY = "{model_name: %s, litellm_params: {%s}}"
OPENAI = "api_key: os.environ/OPENAI_API_KEY"
CASES = {
    "a service that LiteLLM knows": [ENTRY % ("gpt-4o", f"model: openai/gpt-4o, {OPENAI}")],
    "a name without a provider": [ENTRY % ("fast", f"model: gpt-4o-mini, {OPENAI}")],
    "a server of one's own": [
        ENTRY % ("coder", "model: openai//weights/coder, api_base: 'http://192.0.2.8:8080/v1'")
    ],
    "a vllm server": [
        ENTRY % ("qwen", "model: hosted_vllm/org/Qwen, api_base: 'http://192.0.2.8:8000/v1'")
    ],
    "an ollama": [
        ENTRY % ("llama", "model: ollama/llama3.1:8b, api_base: 'http://192.0.2.7:11434'"),
        ENTRY % ("embed", "model: ollama/nomic-embed-text, api_base: 'http://192.0.2.7:11434'"),
    ],
    "ollama's cloud": [
        ENTRY
        % (
            "big",
            "model: ollama_chat/gpt-oss:120b, api_base: 'https://ollama.com', "
            "api_key: os.environ/OLLAMA_API_KEY",
        )
    ],
    "services in forms of their own": [
        ENTRY % ("sonnet", "model: anthropic/claude-x, api_key: os.environ/ANTHROPIC_API_KEY"),
        ENTRY % ("quick", "model: groq/org/model-x, api_key: os.environ/GROQ_API_KEY"),
        ENTRY % ("flash", "model: gemini/gemini-x, api_key: os.environ/GEMINI_API_KEY"),
    ],
    "two servers": [
        ENTRY % ("llama", "model: ollama_chat/llama3, api_base: 'http://192.0.2.1:11434'"),
        ENTRY % ("llama", "model: ollama_chat/llama3, api_base: 'http://192.0.2.2:11434'"),
    ],
    "two servers by weight": [
        ENTRY % ("m", "model: ollama_chat/m, api_base: 'http://192.0.2.1:11434', weight: 3"),
        ENTRY % ("m", "model: ollama_chat/m, api_base: 'http://192.0.2.2:11434', weight: 1"),
    ],
    "two servers in order": [
        ENTRY % ("m", "model: ollama_chat/m, api_base: 'http://192.0.2.1:11434', order: 1"),
        ENTRY % ("m", "model: ollama_chat/m, api_base: 'http://192.0.2.2:11434', order: 2"),
    ],
    "one name of two models": [
        ENTRY % ("m", "model: ollama_chat/m, api_base: 'http://192.0.2.1:11434', weight: 4"),
        ENTRY % ("m", f"model: openai/gpt-4o, {OPENAI}, weight: 1"),
    ],
    "one name of two models in order": [
        ENTRY % ("m", f"model: openai/gpt-4o, {OPENAI}, order: 2"),
        ENTRY % ("m", "model: ollama_chat/m, api_base: 'http://192.0.2.1:11434', order: 1"),
    ],
    "one server with two keys": [
        ENTRY % ("m", "model: openai/gpt-4o, api_key: os.environ/KEY_ONE, rpm: 10"),
        ENTRY % ("m", "model: openai/gpt-4o, api_key: os.environ/KEY_TWO, rpm: 10"),
    ],
    "limits of a model": [
        ENTRY % ("m", f"model: openai/gpt-4o, {OPENAI}, rpm: 60, tpm: 90000, timeout: '30'"),
        ENTRY
        % ("n", f"model: openai/gpt-4.1, {OPENAI}, max_parallel_requests: 4, stream_timeout: 20"),
    ],
    "limits that differ between the servers of a name": [
        ENTRY % ("m", "model: ollama_chat/m, api_base: 'http://192.0.2.1:11434', timeout: 30"),
        ENTRY % ("m", "model: ollama_chat/m, api_base: 'http://192.0.2.2:11434', timeout: 90"),
        ENTRY % ("n", "model: ollama_chat/n, api_base: 'http://192.0.2.1:11434'"),
    ],
    "one server by two prefixes": [
        ENTRY % ("a", f"model: openai/org/a, api_base: 'https://openrouter.ai/api/v1', {OPENAI}"),
        ENTRY
        % ("b", f"model: openrouter/org/b, api_base: 'https://openrouter.ai/api/v1', {OPENAI}"),
    ],
    "every model of a service": [ENTRY % ("'openai/*'", f"model: 'openai/*', {OPENAI}")],
    "every model of an ollama": [
        ENTRY % ("'local/*'", "model: 'ollama_chat/*', api_base: 'http://192.0.2.1:11434'")
    ],
    "values of variables": [
        ENTRY % ("m", "model: os.environ/MODEL, api_base: os.environ/BASE, api_key: os.environ/KEY")
    ],
}
LOCAL = (
    ENTRY % ("a", "model: ollama_chat/a, api_base: 'http://192.0.2.1:11434'"),
    *(ENTRY % (name, f"model: openai/{name}, api_base: 'http://192.0.2.9/v1'") for name in "bcd"),
)
TWO = (
    ENTRY % ("mixed", "model: openai/x, api_base: 'http://192.0.2.8/v1'"),
    ENTRY % ("mixed", "model: openai/y, api_base: 'http://192.0.2.9/v1'"),
)
ROUTES = {
    "fallbacks": {"litellm_settings": {"fallbacks": [{"a": ["b", "c"]}, {"b": ["d"]}]}},
    "fallbacks of the router": {"router_settings": {"fallbacks": [{"a": ["b"]}]}},
    "models that stand in for each other": {
        "litellm_settings": {"fallbacks": [{"a": ["b"]}, {"b": ["a"]}]}
    },
    "longer contexts": {"litellm_settings": {"context_window_fallbacks": [{"a": ["b"]}]}},
    "refused contents": {"router_settings": {"content_policy_fallbacks": [{"a": ["b", "d"]}]}},
    "a name of two models": {
        "litellm_settings": {"fallbacks": [{"mixed": ["a"]}, {"b": ["mixed"]}]}
    },
    "aliases": {"router_settings": {"model_group_alias": {"gpt-4": "a", "both": "mixed"}}},
}
VALUES = {
    "MODEL": "openai/weights",
    "BASE": "http://192.0.2.8:8080/v1",
    **{
        name: f"value-of-{name}"
        for name in (
            *("OPENAI_API_KEY", "OLLAMA_API_KEY", "ANTHROPIC_API_KEY", "GROQ_API_KEY", "KEY"),
            *("GEMINI_API_KEY", "KEY_ONE", "KEY_TWO"),
        )
    },
}
ENV = "".join(f"{name}={value}\n" for name, value in VALUES.items())


def config_of(entries, **sections):
    rows = "".join(f"- {entry}\n" for entry in entries)
    return f"model_list:\n{rows}" + (yaml.safe_dump(sections) if sections else "")


@pytest.mark.parametrize("entries", CASES.values(), ids=CASES)
def test_the_same_servers_answer(tmp_path, identity, entries):
    config = config_of(entries)
    adopted = taken_over(tmp_path, config, ENV)
    assert adopted.notes.is_whole, adopted.notes.printed()
    assert list(differences(yaml.safe_load(config), site_of(tmp_path), VALUES)) == []


@pytest.mark.parametrize("sections", ROUTES.values(), ids=ROUTES)
def test_the_same_models_stand_in(tmp_path, identity, sections):
    config = config_of((*LOCAL, *TWO), **sections)
    adopted = taken_over(tmp_path, config)
    assert adopted.notes.is_whole, adopted.notes.printed()
    assert list(differences(yaml.safe_load(config), site_of(tmp_path), VALUES)) == []


def test_the_default_fallbacks_are_the_default_chain(tmp_path, identity):
    settings = {"default_fallbacks": ["b", "c"]}
    taken_over(tmp_path, config_of(LOCAL, litellm_settings=settings))
    assert site_of(tmp_path).stack.default_chain == ("b", "c")


def test_plain_names_among_the_fallbacks_are_the_default_chain(tmp_path, identity):
    taken_over(tmp_path, config_of(LOCAL, litellm_settings={"fallbacks": ["c", "b"]}))
    assert site_of(tmp_path).stack.default_chain == ("c", "b")


def test_what_is_no_fallback_is_told(tmp_path, identity):
    settings = {"context_window_fallbacks": ["b"], "fallbacks": [["c"]]}
    adopted = taken_over(tmp_path, config_of(LOCAL, litellm_settings=settings))
    lost = [line for line in adopted.notes.printed() if "is no model with its fallbacks" in line]
    assert len(lost) == 2 and not adopted.notes.is_whole


def test_a_star_among_the_fallbacks_is_the_default_chain(tmp_path, identity):
    taken_over(tmp_path, config_of(LOCAL, litellm_settings={"fallbacks": [{"*": ["d"]}]}))
    assert site_of(tmp_path).stack.default_chain == ("d",)


@pytest.mark.parametrize(
    ("given", "strategy"),
    [
        ("simple-shuffle", "weighted"),
        ("least-busy", "least-busy"),
        ("latency-based-routing", "latency"),
        ("usage-based-routing-v2", "weighted"),
    ],
)
def test_the_strategy(tmp_path, identity, given, strategy):
    taken_over(tmp_path, config_of(LOCAL, router_settings={"routing_strategy": given}))
    assert site_of(tmp_path).stack.strategy == strategy


@pytest.mark.parametrize(
    ("sections", "seconds"),
    [
        ({"router_settings": {"timeout": 45}}, 45),
        ({"router_settings": {"timeout": 45}, "litellm_settings": {"request_timeout": 90}}, 90),
    ],
)
def test_the_deadline_of_all_models_is_that_of_their_providers(
    tmp_path, identity, sections, seconds
):
    taken_over(tmp_path, config_of(LOCAL, **sections))
    providers = site_of(tmp_path).stack.providers.values()
    assert {provider.timeout for provider in providers} == {seconds}


def test_requests_are_shared_by_rpm_where_no_weight_is_declared(tmp_path, identity):
    entries = [
        ENTRY % ("m", "model: openai/x, api_base: 'http://192.0.2.8/v1', rpm: 30"),
        ENTRY % ("m", "model: openai/y, api_base: 'http://192.0.2.9/v1', rpm: 10"),
    ]
    taken_over(tmp_path, config_of(entries))
    assert site_of(tmp_path).stack.mixes == {"m": {"m-1": 30, "m-2": 10}}
