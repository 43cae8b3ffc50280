"""Settings: what is shipped is valid, and mistakes are told with place and way out."""

from __future__ import annotations

import runpy

import pytest

from llmrack.problems import DeclarationError
from llmrack.stack.load import load_settings, load_stack
from tests import ROOT
from tests.unit.declare import SHA

PINS = {"ollama_version": "0.34.4", "ollama_sha256": SHA}


def refused(**data) -> str:
    with pytest.raises(DeclarationError) as caught:
        load_settings("box1", PINS | data)
    return str(caught.value)


def shipped() -> dict:
    data: dict = {}
    for name in ("all", "gpu", "gateway", "monitor"):
        data |= runpy.run_path(str(ROOT / "group_data" / f"{name}.py"))
    return data


def test_shipped_settings_are_valid():
    assert load_settings("box1", shipped()).ollama_version == "0.34.4"


def test_every_setting_is_explained_in_group_data():
    fields = set(type(load_settings("box1", PINS)).model_fields)
    assert fields - {"address"} == {name for name in shipped() if name in fields}


def test_shipped_values_are_the_defaults():
    given, default = load_settings("b", shipped()), load_settings("b", {})
    differ = {n for n in type(default).model_fields if getattr(given, n) != getattr(default, n)}
    assert differ <= {"ollama_environment"}


def test_shipped_stack_is_valid():
    assert load_stack(ROOT / "stack.yaml")[0].models


def test_settings_of_pyinfra_and_of_the_user_are_left_alone():
    assert load_settings("box1", PINS | {"ssh_user": "root", "_sudo": True, "my_own": object()})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"ollama_prot": 1}, "ollama_prot (host box1): is no known setting; did you mean "
         "'ollama_port'?"),
        ({"ollama_environment": {"OLLAMA_KEEPALIVE": "5m"}}, "is no known variable of Ollama's "
         "server; did you mean 'OLLAMA_KEEP_ALIVE'?"),
        ({"ollama_environment": {"OLLAMA_HOST": "x"}}, "is set by llmrack itself; use ollama_bind"),
        ({"ollama_environment": {"OLLAMA_NEW_ENGINE": "1"}}, "is no known variable"),
        ({"ollama_environment": {"OLLAMA_KEEP_ALIVE": "5 minutes"}}, "has characters"),
        ({"ollama_port": 0}, "ollama_port (host box1): input should be greater than"),
        ({"service_user": "Root!"}, "has characters that are not allowed"),
        ({"service_home": "/llm"}, "is a folder of its own"),
        ({"service_home": "/home/a b"}, "has characters that are not allowed"),
        ({"ollama_bind": "eth0; rm"}, "has characters that are not allowed"),
        ({"ollama_admitted": ["10.1.0.5/24"]}, "has an entry that is no address or range"),
        ({"ollama_version": None}, "ollama_version (host box1)"),
        ({"ollama_sha256": {"riscv": "a" * 64}}, "ollama_sha256"),
    ],
)  # fmt: skip
def test_mistake_is_named_with_its_way_out(data, message):
    assert message in refused(**data)


@pytest.mark.parametrize(("value", "text"), [(True, "1"), (False, "0")])
def test_switches_become_what_ollama_reads(value, text):
    settings = load_settings("b", PINS | {"ollama_environment": {"OLLAMA_FLASH_ATTENTION": value}})
    assert settings.ollama_environment.variables()["OLLAMA_FLASH_ATTENTION"] == text


def test_ollama_is_kept_from_the_cloud_whatever_else_is_set():
    settings = load_settings("b", PINS | {"ollama_environment": {"OLLAMA_KEEP_ALIVE": "5m"}})
    assert settings.ollama_environment.variables()["OLLAMA_NO_CLOUD"] == "1"


def test_ollama_is_let_to_the_cloud_where_that_is_declared():
    settings = load_settings("b", PINS | {"ollama_environment": {"OLLAMA_NO_CLOUD": False}})
    # envconfig.Bool is Go's ParseBool: "0" is false.
    assert settings.ollama_environment.variables()["OLLAMA_NO_CLOUD"] == "0"


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("OLLAMA_VULKAN", False, "0"),
        ("GGML_VK_VISIBLE_DEVICES", "0,1", "0,1"),
        ("OLLAMA_IGPU_ENABLE", True, "1"),
        ("GPU_DEVICE_ORDINAL", "0", "0"),
        ("LLAMA_ARG_FIT", "off", "0"),
        ("LLAMA_ARG_FIT_TARGET", 2048, "2048"),
        ("OLLAMA_GO_TEMPLATE", False, "0"),
        ("OLLAMA_MAX_TRANSFER_STREAMS", 8, "8"),
        ("OLLAMA_DEBUG_LOG_REQUESTS", True, "1"),
        ("OLLAMA_DEBUG", 2, "2"),
        ("OLLAMA_DEBUG", True, "1"),
        ("OLLAMA_AUTH", True, "1"),
        ("JETSON_JETPACK", "6", "6"),
        ("HTTP_PROXY", "http://proxy:3128", "http://proxy:3128"),
        ("OLLAMA_KV_CACHE_TYPE", "iq4_nl", "iq4_nl"),
    ],
)
def test_a_variable_of_ollama_arrives_as_it_reads_it(name, value, text):
    settings = load_settings("b", PINS | {"ollama_environment": {name: value}})
    assert settings.ollama_environment.variables()[name] == text


@pytest.mark.parametrize(
    ("name", "value"),
    [("OLLAMA_DEBUG", 3), ("OLLAMA_DEBUG", -1), ("OLLAMA_KV_CACHE_TYPE", "f8")],
)
def test_a_value_that_ollama_would_ignore_is_refused(name, value):
    assert f"ollama_environment.{name} (host box1)" in refused(ollama_environment={name: value})


@pytest.mark.parametrize(
    "name",
    ["OLLAMA_NOHISTORY", "GPU_VISIBLE_DEVICES", "LLAMA_ARG_FIT_CTX", "HSA_OVERRIDE_GFX_VERSION_1"],
)
def test_no_hint_leads_to_a_variable_that_means_something_else(name):
    text = refused(ollama_environment={name: "1"})
    assert "did you mean" not in text
    assert "put it into ollama_extra_environment if your Ollama knows it" in text


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("OLLAMA_NUM_PARALEL", "OLLAMA_NUM_PARALLEL"),
        ("OLLAMA_NO_PRUNE", "OLLAMA_NOPRUNE"),
        ("CUDA_VISIBLE_DEVICE", "CUDA_VISIBLE_DEVICES"),
        ("OLLAMA_VUKLAN", "OLLAMA_VULKAN"),
        ("ollama_debug", "OLLAMA_DEBUG"),
    ],
)
def test_a_slip_in_a_variable_is_told(name, meant):
    assert f"did you mean {meant!r}?" in refused(ollama_environment={name: "1"})


def test_a_slip_in_the_variables_of_an_instance_is_told():
    instance = {"name": "a", "gpus": [], "environment": {"OLLAMA_NUM_PARALEL": 1}}
    text = refused(ollama_instances=[instance])
    assert "ollama_instances.0.environment.OLLAMA_NUM_PARALEL (host box1)" in text
    assert "is no known variable of Ollama's server; did you mean 'OLLAMA_NUM_PARALLEL'?" in text


def test_other_variables_are_handed_on_under_a_name_that_says_so():
    other = {"HSA_OVERRIDE_GFX_VERSION_1": "11.0.0", "OLLAMA_EXPERIMENT": "new"}
    assert load_settings("b", {"ollama_extra_environment": other}).ollama_extra_environment == other


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("OLLAMA_VULKAN", "is a variable that llmrack knows; put it into ollama_environment"),
        ("OLLAMA_HOST", "is set by llmrack itself; use ollama_bind and ollama_port"),
        ("LLMRACK_GPUS", "is one of llmrack's own names; leave it out"),
        ("http_proxy", "has characters that are not allowed"),
        ("A B", "has characters that are not allowed"),
        ("1ST", "has characters that are not allowed"),
        *(
            (
                name,
                "has the name of a secret, and the environment file of Ollama's unit is for none",
            )
            for name in ("OLLAMA_API_KEY", "HF_TOKEN", "MY_SECRET", "DB_PASSWORD", "TOKEN")
        ),
    ],
)
def test_a_variable_that_has_another_place_is_not_handed_on(name, message):
    text = refused(ollama_extra_environment={name: "canary"})
    assert f"ollama_extra_environment.{name} (host box1): {message}" in text
    assert "canary" not in text


@pytest.mark.parametrize("value", ["a\nB=1", "$HOME", "a b", 1])
def test_a_value_that_systemd_would_read_as_its_own_is_not_handed_on(value):
    assert "ollama_extra_environment.X (host box1)" in refused(
        ollama_extra_environment={"X": value}
    )
