"""The same names are served by the same upstreams after a configuration was taken over."""

from __future__ import annotations

import pytest
import yaml

from llmrack.adopt.adopt import adopt
from llmrack.adopt.source import read_source
from tests.unit.adopt.round_trip import differences, servers, site_of, taken_over

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
    "shares of rpm of one model": [
        ENTRY % ("m", "model: openai/m, api_base: 'http://192.0.2.8/v1', rpm: 30"),
        ENTRY % ("m", "model: openai/m, api_base: 'http://192.0.2.9/v1', rpm: 10"),
    ],
    "one server by two prefixes, with two shares": [
        ENTRY % ("m", f"model: openai/m, api_base: 'https://x.example/v1', {OPENAI}, weight: 3"),
        ENTRY % ("m", "model: openai/m, api_base: 'http://192.0.2.8/v1', weight: 1"),
        ENTRY
        % ("n", f"model: openrouter/m, api_base: 'https://x.example/v1', {OPENAI}, weight: 7"),
        ENTRY % ("n", "model: openai/m, api_base: 'http://192.0.2.8/v1', weight: 1"),
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


def weighted(*weights, prefix="openai"):
    servers = ("http://192.0.2.1/v1", "http://192.0.2.2/v1")
    return [
        {"model": f"{prefix}/m", "api_base": server, "weight": weight}
        for server, weight in zip(servers, weights, strict=True)
    ]


def test_the_comparison_sees_shares_orders_and_forms():
    """A test that finds no difference is worth as much as what it can find."""
    entries = weighted(3, 1)
    assert servers(entries) == servers(weighted(6, 2)) == servers(entries[::-1])
    assert servers(entries) != servers(weighted(1, 3))
    assert servers(entries) != servers(weighted(3, 1, prefix="anthropic"))
    first, second = entries
    assert servers([first | {"order": 1}, second | {"order": 2}]) != servers(
        [first | {"order": 2}, second | {"order": 1}]
    )


def test_an_entry_that_litellm_asks_last_is_noticed(tmp_path, identity):
    entries = [
        ENTRY % ("m", "model: openai/m, api_base: 'http://192.0.2.8/v1', weight: 3"),
        ENTRY % ("m", "model: openai/m, api_base: 'http://192.0.2.9/v1'"),
    ]
    adopted = taken_over(tmp_path, config_of(entries))
    (line,) = [line for line in adopted.notes.printed() if "not taken over" in line]
    assert "model_list.1: " in line and "has no share" in line


def test_shares_of_entries_for_the_same_server_add_up(tmp_path, identity):
    same = "model: openai/m, api_base: 'http://192.0.2.8/v1', weight: 2"
    entries = [
        ENTRY % ("m", same),
        ENTRY % ("m", same),
        ENTRY % ("m", "model: openai/m, api_base: 'http://192.0.2.9/v1', weight: 1"),
    ]
    taken_over(tmp_path, config_of(entries))
    shares = {p.url: p.weight for p in site_of(tmp_path).stack.providers.values()}
    assert shares == {"http://192.0.2.8/v1": 4, "http://192.0.2.9/v1": 1}


@pytest.mark.parametrize("alias", ["gpt 4", "", "all*", "*", "bad/../na me"])
def test_an_alias_that_cannot_be_is_told_and_the_rest_is_served(tmp_path, identity, alias):
    settings = {"model_group_alias": {alias: "a", "fine": "a"}}
    adopted = taken_over(tmp_path, config_of(LOCAL, router_settings=settings))
    (line,) = [line for line in adopted.notes.printed() if "not taken over" in line]
    assert "router_settings.model_group_alias." in line and "[A-Z" not in line
    assert site_of(tmp_path).stack.aliases == {"fine": "a"}


def test_a_deadline_that_cannot_be_is_told_and_the_rest_is_served(tmp_path, identity):
    settings = {"request_timeout": 10**9}
    adopted = taken_over(tmp_path, config_of(LOCAL, litellm_settings=settings))
    (line,) = [line for line in adopted.notes.printed() if "not taken over" in line]
    assert "litellm_settings.request_timeout: " in line
    assert "a" in site_of(tmp_path).stack.models


def test_a_hidden_alias_is_told(tmp_path, identity):
    alias = {"model": "a", "hidden": True}
    settings = {"model_group_alias": {"y": alias}}
    adopted = taken_over(tmp_path, config_of(LOCAL, router_settings=settings))
    assert "alias.y.hidden: left out: clients that list" in "".join(adopted.notes.printed())


MERGED = """\
x-defaults: &defaults {api_base: 'http://192.0.2.8/v1', api_key: os.environ/KEY}
model_list:
- {model_name: m, litellm_params: {<<: *defaults, model: openai/m}}
"""


def test_merged_parameters_are_told_once(tmp_path, identity):
    adopted = taken_over(tmp_path, MERGED, ENV)
    text = "".join(adopted.notes.printed())
    assert "<<" not in text and "litellm_params.api_key: the secret KEY" in text


def test_a_lost_entry_leaves_nothing_behind(tmp_path, identity):
    lost = "model: no_such/x, api_base: 'http://192.0.2.8/v1', api_key: os.environ/KEY_ONE"
    plain = "model: no_such/y, api_base: 'http://192.0.2.8/v1', api_key: canary"
    entries = [ENTRY % ("x", lost), ENTRY % ("y", plain), *LOCAL]
    done = taken_over(tmp_path, config_of(entries), ENV)
    for index in range(2):
        (line,) = [line for line in done.notes.printed() if f"model_list.{index}" in line]
        assert "not taken over" in line
    assert not {"KEY_ONE", "NO_SUCH_API_KEY"} & done.secrets.keys()


def test_a_variable_of_a_lost_entry_is_left_out(tmp_path, identity):
    lost = "model: no_such/x, api_base: 'http://192.0.2.8/v1', api_key: os.environ/KEY_ONE"
    taken_over(tmp_path, config_of([ENTRY % ("x", lost), *LOCAL]), ENV)
    source = read_source(tmp_path / "old/config.yaml", None, None)
    adopt(source)
    (names,) = source.environment.unused().values()
    assert "KEY_ONE" in names


@pytest.mark.parametrize("order", ["", ", order: 2"])
def test_a_name_of_two_models_is_told_as_what_it_is(tmp_path, identity, order):
    entries = [
        ENTRY % ("m", f"model: openai/x, api_base: 'http://192.0.2.8/v1'{order}"),
        ENTRY % ("m", "model: openai/y, api_base: 'http://192.0.2.9/v1'"),
    ]
    text = "".join(taken_over(tmp_path, config_of(entries)).notes.printed())
    assert "models.m" not in text
    assert (f"{'tiers' if order else 'mixes'}.m, of m-") in text


@pytest.mark.parametrize("sections", ROUTES.values(), ids=ROUTES)
def test_the_same_models_stand_in(tmp_path, identity, sections):
    config = config_of((*LOCAL, *TWO), **sections)
    adopted = taken_over(tmp_path, config)
    assert adopted.notes.is_whole, adopted.notes.printed()
    assert list(differences(yaml.safe_load(config), site_of(tmp_path), {})) == []


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
