"""Instances and models of a host follow from settings, cards and the stack."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from llmrack.stack.deployments import deployments
from llmrack.stack.fleet import Fleet, Host
from llmrack.stack.instances import instance_name, instance_url
from llmrack.stack.models import Create
from llmrack.stack.ollama.instances import instances, models_folder
from llmrack.stack.ollama_models import engine_models, pulled_models
from tests.unit.declare import SHA, host, settings, stack

ONE = "GPU-aaaaaaaa-0000-0000-0000-000000000001"
TWO = "GPU-bbbbbbbb-0000-0000-0000-000000000002"
AMD = "GPU-0123456789abcdef"


def box(gpus=None, rocm=False, **changes) -> Host:
    groups = frozenset({"gpu", "gateway"})
    return Host("box1", groups, "10.0.0.1", settings(**changes), gpus, rocm=rocm)


def models(**declared):
    """A stack with these models of the provider ``local``."""
    made = {name.replace("__", ":"): {"provider": "local"} | m for name, m in declared.items()}
    return stack(models=made, chains={}, default_chain=[])


def test_one_instance_has_every_card_and_the_hosts_name():
    (only,) = instances(box())
    assert (only.name, only.port, only.gpus, only.writer) == ("main", 11434, None, True)
    assert instance_name(box(), only) == "box1"


def test_an_instance_a_card_is_pinned_by_uuid_in_an_order_of_its_own():
    listed = instances(box((TWO, ONE), ollama_instances="per-gpu"))
    assert listed == instances(box((ONE, TWO), ollama_instances="per-gpu"))
    assert [(instance.name, instance.port, instance.gpus) for instance in listed] == [
        ("aaaaaaaa", 11434, (ONE,)),
        ("bbbbbbbb", 11435, (TWO,)),
    ]
    assert dict(listed[0].environment)["CUDA_VISIBLE_DEVICES"] == ONE


def test_only_one_instance_writes():
    first, second = instances(box((ONE, TWO), ollama_instances="per-gpu"))
    assert first.writer and "OLLAMA_NOPRUNE" not in dict(first.environment)
    assert not second.writer and dict(second.environment)["OLLAMA_NOPRUNE"] == "1"


def test_amd_cards_are_chosen_by_their_own_variable():
    (only,) = instances(box((AMD,), ollama_instances="per-gpu"))
    assert dict(only.environment)["ROCR_VISIBLE_DEVICES"] == AMD
    assert "CUDA_VISIBLE_DEVICES" not in dict(only.environment)


def test_an_instance_that_is_pinned_finds_no_other_card_by_vulkan():
    (only,) = instances(box((ONE,), ollama_instances="per-gpu"))
    assert dict(only.environment)["GGML_VK_VISIBLE_DEVICES"] == "-1"


def test_a_card_that_rocm_uses_is_pinned_for_vulkan_too():
    (only,) = instances(box((AMD,), rocm=True, ollama_instances="per-gpu"))
    variables = dict(only.environment)
    assert (variables["ROCR_VISIBLE_DEVICES"], variables["GGML_VK_VISIBLE_DEVICES"]) == (AMD, "-1")
    # HIP reads it, and would hide the card.
    assert "CUDA_VISIBLE_DEVICES" not in variables


@pytest.mark.parametrize("pins", [SHA, {"amd64": "a" * 64}])
def test_a_card_of_amd_that_only_vulkan_uses_keeps_vulkan(pins):
    declared = {"ollama_instances": "per-gpu", "ollama_sha256": pins}
    # Either ROCm does not know the card, or its libraries are not pinned.
    (only,) = instances(box((AMD,), rocm=pins != SHA, **declared))
    assert "GGML_VK_VISIBLE_DEVICES" not in dict(only.environment)


def test_an_instance_with_cards_of_nvidia_finds_no_other_by_rocm():
    cards = (ONE, "GPU-2ae088c172fd5d13")
    both = instances(box(cards, rocm=True, ollama_instances="per-gpu"))
    (variables,) = [dict(each.environment) for each in both if each.gpus == (ONE,)]
    assert variables["CUDA_VISIBLE_DEVICES"] == ONE
    assert variables["ROCR_VISIBLE_DEVICES"] == variables["GGML_VK_VISIBLE_DEVICES"] == "-1"


def test_nothing_changes_for_cards_of_nvidia_where_there_is_no_rocm():
    (only,) = instances(box((ONE,), ollama_instances="per-gpu"))
    assert "ROCR_VISIBLE_DEVICES" not in dict(only.environment)


def test_an_instance_without_a_card_finds_none_by_vulkan():
    (only,) = instances(box(ollama_instances=[{"name": "cpu", "gpus": []}]))
    assert dict(only.environment)["GGML_VK_VISIBLE_DEVICES"] == "-1"


def test_an_instance_with_every_card_may_use_vulkan():
    (only,) = instances(box((ONE,)))
    assert "GGML_VK_VISIBLE_DEVICES" not in dict(only.environment)


def test_an_instance_of_a_list_may_choose_its_vulkan_devices():
    environment = {"GGML_VK_VISIBLE_DEVICES": "2"}
    listed = [{"name": "a", "gpus": [ONE], "environment": environment}]
    (only,) = instances(box(ollama_instances=listed))
    assert dict(only.environment)["GGML_VK_VISIBLE_DEVICES"] == "2"


def test_every_instance_has_the_variables_that_are_handed_on():
    engine = box((ONE, TWO), ollama_instances="per-gpu", ollama_extra_environment={"X_Y": "1"})
    assert [dict(instance.environment)["X_Y"] for instance in instances(engine)] == ["1", "1"]


def test_nobody_knows_instances_before_the_cards_are_known():
    assert instances(box(ollama_instances="per-gpu")) == ()


def test_a_box_that_needs_no_card_has_one_instance_without():
    listed = instances(box((), ollama_instances="per-gpu", gpu_required=False))
    assert [instance.name for instance in listed] == ["main"]


def test_a_list_gives_names_cards_ports_and_variables():
    listed = instances(
        box(
            ollama_instances=[
                {"name": "big", "gpus": [ONE, TWO], "environment": {"OLLAMA_NUM_PARALLEL": 4}},
                {"name": "next", "gpus": []},
                {"name": "far", "gpus": [], "port": 11500},
            ],
            ollama_environment={"OLLAMA_CONTEXT_LENGTH": 4096},
        )
    )
    assert [(instance.name, instance.port) for instance in listed] == [
        ("big", 11434),
        ("next", 11435),
        ("far", 11500),
    ]
    big, cpu = dict(listed[0].environment), dict(listed[1].environment)
    assert big["CUDA_VISIBLE_DEVICES"] == f"{ONE},{TWO}" and big["OLLAMA_NUM_PARALLEL"] == "4"
    assert cpu["CUDA_VISIBLE_DEVICES"] == cpu["ROCR_VISIBLE_DEVICES"] == "-1"
    # What an instance leaves open is as for all of them.
    assert big["OLLAMA_CONTEXT_LENGTH"] == "4096"


def test_every_instance_is_a_deployment():
    engine = box((ONE, TWO), ollama_instances="per-gpu")
    served = deployments(stack(), Fleet((engine,)), engine)
    urls = {
        deployment.instance: deployment.url
        for deployment in served
        if deployment.model == "llama3.1:latest"
    }
    assert urls == {
        "box1/aaaaaaaa": "http://127.0.0.1:11434",
        "box1/bbbbbbbb": "http://127.0.0.1:11435",
    }


def test_an_instance_is_reached_by_address_from_elsewhere():
    engine = box(ollama_bind="0.0.0.0")
    (only,) = instances(engine)
    assert instance_url(engine, only, host("box2")) == "http://10.0.0.1:11434"
    assert instance_url(engine, only, engine) == "http://127.0.0.1:11434"


def test_bases_come_before_what_is_made_from_them():
    listed = engine_models(
        models(
            a={"create": {"from": "b"}},
            b={"create": {"from": "llama3.2"}},
            c={"create": {"copy": "llama3.2:1b"}},
        ),
        box(),
    )
    names = [model.name for model in listed]
    assert names.index("llama3.2:latest") < names.index("b:latest") < names.index("a:latest")
    assert names.index("llama3.2:1b") < names.index("c:latest")


def test_bases_are_pulled_although_nobody_serves_them():
    declared = models(assistant={"create": {"from": "llama3.2"}})
    assert pulled_models(declared, box()) == ["llama3.2:latest"]
    base = next(model for model in engine_models(declared, box()) if model.create is None)
    assert base.public == ()


def test_a_context_length_makes_a_model_of_its_own():
    declared = models(llama3__8b={"context_length": 16384})
    assert declared.upstream("llama3:8b", "local") == "llama3:8b-ctx16384"
    base, made = engine_models(declared, box())
    assert (base.name, made.name) == ("llama3:8b", "llama3:8b-ctx16384")
    assert made.create and made.create.request == {"parameters": {"num_ctx": 16384}}


def test_two_names_for_a_model_are_pulled_once():
    declared = models(gemma3={}, other={"model": "gemma3:latest"})
    assert pulled_models(declared, box()) == ["gemma3:latest"]


def test_models_lie_in_the_users_home_unless_told_otherwise():
    assert models_folder(settings()) == "/home/llm/.ollama/models"
    assert models_folder(settings(ollama_models="/srv/models")) == "/srv/models"


@pytest.mark.parametrize(
    ("create", "why"),
    [
        ({}, "exactly one of"),
        ({"from": "a", "copy": "b"}, "exactly one of"),
        ({"gguf": "a.gguf"}, "belong together"),
        ({"from": "a", "sha256": "a" * 64}, "belong together"),
        ({"copy": "a", "system": "s"}, "a copy is the same model"),
    ],
)
def test_a_model_has_one_source(create, why):
    with pytest.raises(ValidationError, match=why):
        Create.model_validate(create)


def test_digest_of_a_recipe_changes_with_what_decides():
    recipe = {"from": "a", "system": "s", "parameters": {"temperature": 0.7, "stop": ["x"]}}
    first = Create.model_validate(recipe)
    assert first.digest == Create.model_validate(recipe).digest
    for key, other in (("from", "b"), ("system", "t"), ("parameters", {"temperature": 0.8})):
        assert Create.model_validate(recipe | {key: other}).digest != first.digest
