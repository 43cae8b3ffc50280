"""Public names: models of several providers, tiers, mixes, aliases, wildcards and their chains."""

from __future__ import annotations

import pytest

from llmrack.stack.checks.checks import check
from tests.unit.declare import STACK, declaration, stack

CLOUD = "gpt-oss:20b-cloud"
LLAMA = "llama3.1:latest"
EMBED = {"provider": "local", "capabilities": ["embedding"]}
HIDDEN = {"provider": "cloud", "explicit_only": True}


def with_models(**parts):
    """STACK with more models (``models=``) and with other parts."""
    return stack(**parts | {"models": STACK["models"] | parts.get("models", {})})


def disabled(provider: str, **parts):
    changed = STACK["providers"][provider] | {"enabled": False}
    return with_models(**parts, providers=STACK["providers"] | {provider: changed})


def found(stack_) -> list[str]:
    return [str(problem).removeprefix("stack.yaml: ") for problem in check(declaration(stack_))]


def test_one_provider_is_a_list_of_one():
    assert stack().models[LLAMA].provider == ("local",)


def test_a_model_without_providers_is_refused():
    with pytest.raises(ValueError, match="at least 1 item"):
        with_models(models={"x": {"provider": []}})


def test_each_provider_knows_a_model_by_its_own_name():
    declared = with_models(
        models={"gpt-oss:20b-cloud": {"provider": ["local", "cloud"], "context_length": 4096}}
    )
    assert declared.upstream(CLOUD, "cloud") == "gpt-oss:20b"
    assert declared.upstream(CLOUD, "local") == "gpt-oss:20b-cloud-ctx4096"


def test_a_declared_name_holds_at_every_provider():
    declared = with_models(models={"x": {"provider": ["vllm", "cloud"], "model": "org/x"}})
    assert {declared.upstream("x", at) for at in ("vllm", "cloud")} == {"org/x"}


def test_a_wildcard_keeps_what_follows_its_slash():
    declared = with_models(
        models={"office/*": {"provider": "vllm"}, "v/llama*": {"provider": "vllm"}}
    )
    assert declared.upstream("office/*", "vllm") == "*"
    assert declared.upstream("v/llama*", "vllm") == "llama*"


def test_a_mix_takes_the_default_chain_without_its_own_members():
    declared = stack(mixes={"m": {"coder": 1, CLOUD: 1}}, default_chain=[CLOUD, LLAMA])
    assert declared.chain("m") == (LLAMA,)


def test_a_mix_with_a_chain_of_its_own_does_not_take_the_default_one():
    declared = stack(mixes={"m": {"coder": 1, CLOUD: 1}}, chains={"m": [LLAMA]})
    assert declared.chain("m") == (LLAMA,)


def test_a_tier_does_not_take_the_default_chain():
    assert stack(tiers={"eco": [LLAMA, "coder"]}).chain("eco") == ()


def test_a_tier_takes_the_chain_declared_for_it():
    declared = stack(tiers={"eco": [LLAMA]}, chains={"eco": ["coder"]})
    assert declared.chain("eco") == ("coder",)


def test_an_alias_has_the_chain_of_its_model():
    assert stack(aliases={"gpt": LLAMA}).chain("gpt") == ("coder", CLOUD)


def test_an_explicit_only_model_does_not_take_the_default_chain():
    assert with_models(models={"x": HIDDEN}).chain("x") == ()


def test_a_wildcard_does_not_take_the_default_chain():
    assert with_models(models={"v/*": {"provider": "vllm"}}).chain("v/*") == ()


def test_a_name_that_no_enabled_provider_serves_is_no_name():
    declared = disabled("cloud", aliases={"gpt": CLOUD}, tiers={"t": [CLOUD], "u": [CLOUD, LLAMA]})
    assert declared.names == (LLAMA, "embed", "coder", "u")


def test_a_model_of_a_disabled_provider_falls_out_of_chains():
    assert disabled("cloud").chain(LLAMA) == ("coder",)


def test_a_model_of_a_disabled_provider_falls_out_of_special_chains():
    declared = disabled("cloud", context_window_chains={LLAMA: [CLOUD, "coder"]})
    assert declared.special_chain(declared.context_window_chains, LLAMA) == ("coder",)


def test_a_model_stays_with_its_other_providers():
    declared = disabled("cloud", models={"x": {"provider": ["cloud", "vllm"]}})
    assert declared.served_by("x") == ("vllm",)


def test_a_stack_without_an_enabled_provider_is_refused():
    providers = {
        name: provider | {"enabled": False} for name, provider in STACK["providers"].items()
    }
    assert "providers: none is enabled; enable one of them" in found(stack(providers=providers))


def test_a_disabled_provider_needs_no_secret():
    assert check(declaration(disabled("cloud"), secrets=())) == []


def test_a_sound_stack_with_everything_passes():
    declared = with_models(
        models={"both": {"provider": ["local", "vllm"]}, "v/*": {"provider": "vllm"}},
        tiers={"eco": [LLAMA, "both"]},
        mixes={"m": {LLAMA: 80, CLOUD: 20}},
        aliases={"gpt": LLAMA},
        context_window_chains={LLAMA: [CLOUD], "eco": [CLOUD]},
        content_policy_chains={CLOUD: [LLAMA]},
    )
    assert found(declared) == []


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"models": {"x": {"provider": ["local", "clud"]}}},
         "models.x.provider: there is no provider 'clud'; did you mean 'cloud'?"),
        ({"models": {"x": {"provider": ["local", "local"]}}},
         "models.x.provider: names a provider twice; name each once"),
        ({"tiers": {"eco": ["codr"]}},
         "tiers.eco: no provider serves a model 'codr'; did you mean 'coder'?"),
        ({"tiers": {"eco": [LLAMA], "t": ["eco"]}},
         "tiers.t: 'eco' is a tier, and no model; name a model"),
        ({"tiers": {"eco": []}}, "tiers.eco: names no model; name those to try, in their order"),
        ({"tiers": {"eco": [LLAMA, LLAMA]}}, "tiers.eco: names a model twice; name each once"),
        ({"tiers": {"coder": [LLAMA]}},
         "tiers.coder: 'coder' stands under models, too; give one of them another name"),
        ({"mixes": {"m": {LLAMA: 1}}},
         "mixes.m: shares among fewer than two models; name two or more"),
        ({"mixes": {"m": {LLAMA: 1, "codr": 1}}},
         "mixes.m: no provider serves a model 'codr'; did you mean 'coder'?"),
        ({"mixes": {"m": {LLAMA: 1, CLOUD: 1}}, "chains": {"m": [CLOUD]}},
         f"chains.m: 'm' has asked {CLOUD} already when it comes to its chain; name others"),
        ({"aliases": {"gpt": "codr"}},
         "aliases.gpt: no provider serves a model 'codr'; did you mean 'coder'?"),
        ({"aliases": {"coder": LLAMA}},
         "aliases.coder: 'coder' stands under models, too; give one of them another name"),
        ({"aliases": {"gpt": LLAMA}, "chains": {"gpt": [CLOUD]}},
         f"chains.gpt: 'gpt' is another name of '{LLAMA}', and has its chain; declare the chain "
         f"for '{LLAMA}'"),
        ({"chains": {"nobody": [LLAMA]}}, "chains.nobody: nobody can ask for 'nobody'"),
        ({"models": {"v/*": {"provider": "vllm"}}, "chains": {"v/*": [LLAMA]}},
         "declare the model that shall have the chain"),
        ({"context_window_chains": {LLAMA: ["codr"]}},
         f"context_window_chains.{LLAMA}: no provider serves a model 'codr'"),
        ({"content_policy_chains": {"coder": ["coder"]}},
         "content_policy_chains.coder: 'coder' has asked coder already when it comes to its chain"),
        ({"models": {"e": EMBED}, "tiers": {"eco": [LLAMA, "e"]}},
         "tiers.eco: 'e' cannot stand in for 'eco': it lacks chat"),
        ({"models": {"e": EMBED}, "context_window_chains": {LLAMA: ["e"]}},
         f"context_window_chains.{LLAMA}: 'e' cannot stand in for '{LLAMA}': it lacks chat"),
        ({"models": {"v/*": {"provider": "vllm", "model": "gpt"}}},
         "models.v/*.model: a name with * leads to a name with *, and no other does"),
        ({"models": {"x": {"provider": "vllm", "model": "gpt*"}}},
         "models.x.model: a name with * leads to a name with *, and no other does"),
        ({"models": {"l/*": {"provider": ["vllm", "local"]}}},
         "models.l/*: the hosts of provider 'local' get the models that are named here"),
    ],
)  # fmt: skip
def test_mistake_with_names_is_said_with_its_way_out(parts, message):
    texts = found(with_models(**parts))
    assert any(message in text for text in texts), texts


@pytest.mark.parametrize(
    ("parts", "place"),
    [
        ({"chains": {LLAMA: ["x"]}}, "chain"),
        ({"context_window_chains": {LLAMA: ["x"]}}, "chain"),
        ({"content_policy_chains": {LLAMA: ["x"]}}, "chain"),
        ({"default_chain": ["x"]}, "chain"),
        ({"tiers": {"eco": ["x"]}}, "tier"),
        ({"mixes": {"m": {LLAMA: 1, "x": 1}}}, "mix"),
    ],
)
def test_an_explicit_only_model_stands_nowhere(parts, place):
    texts = found(with_models(models={"x": HIDDEN}, **parts))
    assert any(f"'x' is explicit_only and may stand in no {place}; take it" in t for t in texts)


def test_an_alias_may_lead_to_an_explicit_only_model():
    assert found(with_models(models={"x": HIDDEN}, aliases={"y": "x"})) == []


def test_a_default_without_a_line_has_the_line_around_it():
    about = declaration(secrets=())
    about.lines[("providers", "cloud")] = 7  # type: ignore[index]
    (problem,) = check(about)
    assert (problem.where, problem.line) == ("providers.cloud.api_key", 7)


def test_two_accounts_at_one_address_are_two_providers():
    other = {"kind": "ollama-cloud", "api_key": "OTHER_KEY"}
    declared = with_models(
        providers=STACK["providers"] | {"other": other}, models={"x": {"provider": "other"}}
    )
    assert check(declaration(declared, secrets=("OLLAMA_API_KEY", "OTHER_KEY"))) == []


def test_a_provider_with_the_name_of_a_host_is_refused():
    declared = with_models(
        providers=STACK["providers"] | {"box2": {"kind": "vllm", "url": "http://x/v1"}},
        models={"x": {"provider": "box2"}},
    )
    (text,) = found(declared)
    assert "providers.box2: is the name of a host, too" in text
