"""Cross-checks: each mistake is found, said with its way out, and a sound stack passes."""

from __future__ import annotations

import pytest
import yaml
from pydantic import ValidationError

from llmrack.components.gateway import gateway
from llmrack.stack.checks.checks import check, warnings
from llmrack.stack.declaration import Declaration
from llmrack.stack.fleet import Fleet
from tests.unit.declare import STACK, declaration, host, stack, two_boxes


def found(*args, **kwargs) -> list[str]:
    return [str(problem) for problem in check(declaration(*args, **kwargs))]


def with_provider(name, **fields):
    return stack(providers=STACK["providers"] | {name: fields})


def with_model(name, **fields):
    return stack(models=STACK["models"] | {name: fields})


def test_sound_declaration_passes():
    assert found() == []


def test_unknown_provider_names_the_nearest():
    (text,) = found(with_model("x", provider="clud"))
    assert "models.x.provider: there is no provider 'clud'; did you mean 'cloud'?" in text


def test_unknown_model_in_chain_names_the_nearest():
    texts = found(stack(chains={"llama3.1:latest": ["codr"]}))
    assert any("no provider serves a model 'codr'; did you mean 'coder'?" in t for t in texts)


def test_chain_of_an_unknown_model_is_found():
    assert any("'llama4'" in text for text in found(stack(chains={"llama4": ["coder"]})))


@pytest.mark.parametrize("part", ["chains", "context_window_chains", "content_policy_chains"])
def test_two_models_may_stand_in_for_each_other(part):
    chains = {"llama3.1:latest": ["coder"], "coder": ["llama3.1:latest"]}
    assert found(stack(**{part: chains})) == []


@pytest.mark.parametrize("part", ["chains", "context_window_chains", "content_policy_chains"])
def test_a_model_does_not_follow_itself(part):
    texts = found(stack(**{part: {"coder": ["coder"]}}))
    assert any("'coder' has asked coder already when it comes to its chain" in t for t in texts)


@pytest.mark.parametrize("where", ["chains", "default_chain"])
def test_explicit_only_model_stands_in_no_chain(where):
    models = STACK["models"] | {"gpt-4o": {"provider": "cloud", "explicit_only": True}}
    chain = (
        {"chains": {"coder": ["gpt-4o"]}} if where == "chains" else {"default_chain": ["gpt-4o"]}
    )
    assert any(
        "explicit_only and may stand in no chain" in t for t in found(stack(models=models, **chain))
    )


def test_chain_member_must_have_the_capabilities():
    models = STACK["models"] | {"agent": {"provider": "local", "capabilities": ["chat", "tools"]}}
    texts = found(stack(models=models, chains={"agent": ["coder"]}))
    assert any("'coder' cannot stand in for 'agent': it lacks tools" in t for t in texts)


def test_chain_member_without_vision_is_passed_over_by_requests_with_images():
    models = STACK["models"] | {"eyes": {"provider": "local", "capabilities": ["chat", "vision"]}}
    assert not found(stack(models=models, chains={"eyes": ["coder"]}))


def test_api_path_of_ollama_com_is_the_known_trap():
    (text,) = found(with_provider("cloud", kind="ollama-cloud", url="https://ollama.com/api"))
    assert "requests would go to /api/api/chat" in text
    assert "write https://ollama.com" in text


def test_cloud_suffix_sent_to_ollama_com_is_the_known_trap():
    (text,) = found(with_model("x", provider="cloud", model="kimi-k2:1t-cloud"))
    assert "ollama.com itself does not know 'kimi-k2:1t-cloud'" in text


def test_a_vllm_without_a_path_is_the_known_trap():
    (text,) = found(with_provider("vllm", kind="vllm", url="http://vllm:8000"))
    assert "vLLM answers chats below /v1" in text and "write http://vllm:8000/v1" in text


def serving(**fields):
    """A provider with a model of its own."""
    return stack(
        providers=STACK["providers"] | {"x": fields},
        models=STACK["models"] | {"x": {"provider": "x"}},
    )


def test_a_service_whose_api_is_elsewhere_is_the_known_trap():
    (text,) = found(serving(kind="openai-compatible", url="https://openrouter.ai"))
    assert "openrouter.ai has its API elsewhere" in text
    assert "write https://openrouter.ai/api/v1" in text


def test_an_address_with_what_is_appended_to_it_is_the_known_trap():
    url = "http://host/v2/chat/completions"
    (text,) = found(serving(kind="openai-compatible", url=url))
    assert "ends in /chat/completions, which is appended to it" in text


@pytest.mark.parametrize(
    ("kind", "url"),
    [
        ("openai-compatible", "https://api.perplexity.ai"),
        ("openai-compatible", "https://generativelanguage.googleapis.com/v1beta/openai"),
        ("openai-compatible", "http://host/a%20b/(c)/v2@x"),
        ("vllm", "http://host/gpu7"),
    ],
)
def test_an_address_of_any_path_is_taken_as_it_is(kind, url):
    assert found(serving(kind=kind, url=url)) == []


@pytest.mark.parametrize(
    "name", ["/model", "Qwen-4B-Q4 [Thinking · General]", "openai/gpt-oss-120b:free", "a#b{c}$d"]
)
def test_a_server_may_call_its_model_as_it_likes(name):
    assert found(with_model("x", provider="vllm", model=name)) == []
    rendered = gateway.configuration(
        with_model("x", provider="vllm", model=name), two_boxes(), two_boxes().hosts[0]
    )
    rows = yaml.safe_load(rendered)["model_list"]
    assert f"hosted_vllm/{name}" in [row["litellm_params"]["model"] for row in rows]


@pytest.mark.parametrize("name", ["/model", "a b", "[x]"])
def test_a_model_of_our_own_hosts_has_a_name_of_ollamas(name):
    (text,) = found(with_model("x", provider="local", model=name))
    assert "Ollama cannot name a model like this" in text


@pytest.mark.parametrize("name", ["a\nb", " a", "a\x07", "os.environ/KEY", ""])
def test_an_upstream_name_that_cannot_be_printed_is_refused(name):
    with pytest.raises(ValidationError):
        with_model("x", provider="vllm", model=name)


def test_a_placeholder_is_told_from_a_key_that_is_missing():
    declared = Declaration(stack(), two_boxes(), (), {}, placeholders={"OLLAMA_API_KEY": ".env"})
    (text,) = map(str, check(declared))
    assert "what .env has for the secret OLLAMA_API_KEY counts as a placeholder" in text


def test_same_address_twice_is_found():
    providers = STACK["providers"] | {"two": {"kind": "vllm", "url": "http://vllm:8000/v1/"}}
    models = STACK["models"] | {"two": {"provider": "two"}}
    texts = found(stack(providers=providers, models=models))
    assert any("already the address of provider 'vllm'" in text for text in texts)


def test_two_hosts_at_one_address_are_found():
    fleet = Fleet((host(), host("box2", ("gpu",), "10.0.0.1", ollama_bind="0.0.0.0")))
    assert any("both claim 10.0.0.1:11434" in text for text in found(fleet=fleet))


def test_two_servers_on_one_port_are_found():
    fleet = Fleet((host(gateway_port=11434),))
    assert any("both claim 10.0.0.1:11434" in text for text in found(fleet=fleet))


def test_unknown_group_names_the_nearest():
    (text,) = found(with_provider("local", kind="ollama", group="gpus"))
    assert "the group 'gpus' is empty; did you mean 'gpu'?" in text


def test_fleet_without_gateway_is_refused():
    assert any(
        "no host is in the group 'gateway'" in t
        for t in found(fleet=Fleet((host(groups=("gpu",)),)))
    )


def test_missing_secret_names_file_and_variable():
    (text,) = found(secrets=())
    assert "the secret OLLAMA_API_KEY is not set; run llmrack secrets set OLLAMA_API_KEY" in text
    assert "put OLLAMA_API_KEY=... into .env" in text


def test_engine_on_loopback_behind_another_gateway_is_found():
    (text,) = found(fleet=two_boxes(ollama_bind="127.0.0.1"))
    assert "box2 listens on loopback only" in text


def test_guard_needs_addresses_not_names():
    fleet = Fleet(
        (host(address="box1.lan"), host("box2", ("gpu",), "10.0.0.2", ollama_bind="0.0.0.0"))
    )
    assert any("'box1.lan' is no IP address" in text for text in found(fleet=fleet))


def test_holed_ollama_is_refused():
    assert any("CVE-2026-7482" in t for t in found(fleet=Fleet((host(ollama_version="0.17.0"),))))


def test_provider_without_models_is_found():
    (text,) = found(with_provider("idle", kind="vllm", url="http://idle/v1"))
    assert "providers.idle: serves no model" in text


def test_ollama_that_skips_digest_checks_is_warned_about():
    old = declaration(fleet=Fleet((host(ollama_version="0.32.9"),)))
    assert check(old) == []
    assert "can skip the digest check" in str(warnings(old)[0])
    assert warnings(declaration(fleet=Fleet((host(ollama_version="0.32.10"),)))) == []


@pytest.mark.parametrize(
    "setting", [{"proxy_login": "PROXY_LOGIN"}, {"no_proxy": ["corp.example"]}]
)
def test_settings_of_a_proxy_that_no_host_has_are_warned_of(setting):
    (warned,) = warnings(declaration(fleet=Fleet((host(**setting),))))
    assert str(warned).endswith("has no effect, as no host has a proxy; set proxy, or drop it")
    assert not warnings(
        declaration(fleet=Fleet((host(**setting, proxy="http://proxy.example:3128"),)))
    )
