"""Mistakes in instances and models of our own hosts: each is found, with place and way out."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from llmrack.problems import DeclarationError
from llmrack.stack.checks.checks import check
from llmrack.stack.fleet import Fleet
from llmrack.stack.load import load_settings, load_stack
from tests.unit.declare import declaration, host, stack

GPU = "GPU-aaaaaaaa-0000-0000-0000-000000000001"


def found(providers=None, fleet=None, **models) -> list[str]:
    """What the checks say of these models."""
    declared = {name: {"provider": "local"} | model for name, model in models.items()}
    declared = stack(
        providers=providers or {"local": {"kind": "ollama"}, "cloud": {"kind": "ollama-cloud"}},
        models=declared | {"gpt": {"provider": "cloud"}} if not providers else declared,
        chains={},
        default_chain=[],
    )
    return [str(problem) for problem in check(declaration(declared, fleet or Fleet((host(),))))]


def on_host(**settings) -> list[str]:
    return found(fleet=Fleet((host(**settings),)), a={})


@pytest.mark.parametrize(
    ("models", "says"),
    [
        ({"m": {"provider": "cloud", "preload": True}}, "models.m.preload: 'cloud' is of kind"),
        ({"m": {"create": {"from": "x"}, "model": "y"}}, "leave 'model' out"),
        ({"m": {"create": {"from": "m:latest"}}}, "circle: m:latest from m:latest"),
        (
            {"m": {"create": {"from": "n"}}, "n": {"create": {"copy": "m"}}},
            "circle: m:latest from n:latest from m:latest",
        ),
        ({"a//b": {"create": {"from": "x"}}}, "Ollama cannot name a model like this"),
        (
            {"m": {"create": {"from": "x"}}, "m:latest": {"create": {"from": "y"}}},
            "is 'm' to Ollama",
        ),
        (
            {"m": {"create": {"from": "x", "parameters": {"num_ctx": 512}}, "context_length": 512}},
            "is said by context_length already",
        ),
        (
            {"m": {"create": {"copy": "x"}, "context_length": 512}},
            "models.m.context_length: a copy is the same model",
        ),
    ],
)
def test_a_mistake_in_a_model_is_found(models, says):
    assert any(says in text for text in found(**models)), found(**models)


def test_models_that_are_made_hold_together():
    assert found(a={"create": {"from": "b"}}, b={"create": {"from": "llama3.2"}}) == []


@pytest.mark.parametrize(
    ("version", "taken"), [("0.34.0", True), ("0.34.1", False), ("0.34.4", False)]
)
def test_an_adapter_is_refused_for_an_ollama_that_takes_none(version, taken):
    adapter = {"file": "a.gguf", "sha256": "a" * 64}
    reported = found(
        fleet=Fleet((host(ollama_version=version),)),
        m={"create": {"from": "x", "adapters": [adapter]}},
    )
    refused = f"models.m.create.adapters: Ollama {version} on box1 takes no LoRA adapters"
    assert any(refused in text for text in reported) != taken


@pytest.mark.parametrize("name", ["gpt-oss:20b-cloud", "kimi-k2.6:cloud", "a/b:Cloud"])
def test_a_cloud_model_is_refused_for_an_ollama_that_is_kept_from_the_cloud(name):
    (text,) = found(m={"model": name})
    assert f"models.m: Ollama on box1 would ask ollama.com for {name!r}" in text
    assert "choose a provider of kind ollama-cloud" in text


def test_a_cloud_model_is_taken_for_an_ollama_that_is_let_to_the_cloud():
    fleet = Fleet((host(ollama_environment={"OLLAMA_NO_CLOUD": False}),))
    assert found(fleet=fleet, m={"model": "gpt-oss:20b-cloud"}) == []


def test_an_instance_may_be_kept_from_the_cloud_by_itself():
    let, kept = ({"OLLAMA_NO_CLOUD": value} for value in (False, True))
    instances = [
        {"name": "a", "gpus": []},
        {"name": "b", "gpus": [], "environment": kept},
    ]
    fleet = Fleet((host(ollama_environment=let, ollama_instances=instances),))
    (text,) = found(fleet=fleet, m={"model": "gpt-oss:20b-cloud"})
    assert "OLLAMA_NO_CLOUD keeps it from that" in text


@pytest.mark.parametrize("name", ["cloud", "in-the-cloud", "me/cloud:8b", "x:cloudy"])
def test_a_name_that_only_speaks_of_clouds_is_taken(name):
    assert found(m={"model": name}) == []


def test_an_empty_list_is_not_pruned_by_one_word():
    providers = {"local": {"kind": "ollama", "prune": True}, "cloud": {"kind": "ollama-cloud"}}
    (text,) = found(providers=providers, gpt={"provider": "cloud"})
    assert "every model would be removed" in text and "prune: everything" in text
    providers["local"]["prune"] = "everything"
    assert found(providers=providers, gpt={"provider": "cloud"}) == []


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (
            {"ollama_instances": [{"name": "a", "gpus": []}, {"name": "a", "gpus": []}]},
            "the name a stands there twice",
        ),
        (
            {"ollama_instances": [{"name": "a", "gpus": [GPU]}, {"name": "b", "gpus": [GPU]}]},
            f"the card {GPU} stands there twice",
        ),
        ({"ollama_instances": []}, "is an empty list"),
        (
            {
                "ollama_instances": "per-gpu",
                "ollama_environment": {"CUDA_VISIBLE_DEVICES": "0"},
            },
            "the instances choose their cards themselves",
        ),
        (
            {
                "ollama_instances": "per-gpu",
                "ollama_environment": {"GGML_VK_VISIBLE_DEVICES": "0"},
            },
            "ollama_environment.GGML_VK_VISIBLE_DEVICES (host box1): the instances choose",
        ),
        (
            {"ollama_instances": [{"name": "a", "gpus": [], "port": 4000}]},
            "both claim 10.0.0.1:4000",
        ),
        (
            {"ollama_models": "/srv/a/models", "ollama_models_mount": "/srv/b"},
            "/srv/b does not hold the models directory",
        ),
    ],
)
def test_a_mistake_in_a_hosts_instances_is_found(settings, says):
    assert any(says in text for text in on_host(**settings)), on_host(**settings)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"ollama_instances": "per-card"}, "ollama_instances"),
        ({"ollama_instances": [{"name": "a", "gpus": ["0"]}]}, "gpus"),
        ({"ollama_instances": [{"name": "a", "gpu": []}]}, "gpu"),
        ({"gpu_driver": "nouveau"}, "gpu_driver"),
        ({"ollama_memory_max": "lots"}, "ollama_memory_max"),
        ({"gpu_requierd": True}, "did you mean 'gpu_required'"),
    ],
)
def test_a_setting_of_the_wrong_kind_is_refused(settings, says):
    with pytest.raises(DeclarationError) as error:
        load_settings("box1", settings)
    assert says in str(error.value)
    assert "tuple[" not in str(error.value) and "literal[" not in str(error.value)


@pytest.mark.parametrize(
    ("model", "where", "says"),
    [
        ({"create": {"form": "x"}}, "models.m.create.form", "did you mean 'from'"),
        (
            {"create": {"from": "x", "parameters": {"temprature": 1}}},
            "models.m.create.parameters.temprature",
            "did you mean 'temperature'",
        ),
        ({"contextlength": 5}, "models.m.contextlength", "did you mean 'context_length'"),
        ({"create": "x"}, "models.m.create", "is not a mapping; give keys"),
        (
            {"create": {"from": "x", "parameters": {"stop": "END"}}},
            "models.m.create.parameters.stop",
            "is not a list; give a list",
        ),
        (
            {"create": {"from": "x", "adapters": [{"file": "a", "sha256": "a" * 64}] * 2}},
            "models.m.create",
            "Ollama takes one adapter",
        ),
    ],
)
def test_a_mistake_inside_a_model_is_named_with_its_line(tmp_path: Path, model, where, says):
    path = tmp_path / "stack.yaml"
    stack = {
        "providers": {"local": {"kind": "ollama"}},
        "models": {"m": {"provider": "local"} | model},
    }
    path.write_text(yaml.safe_dump(stack, sort_keys=False))
    with pytest.raises(DeclarationError) as error:
        load_stack(path, "stack.yaml")
    text = str(error.value)
    assert where in text and says in text and text.startswith("stack.yaml:")
