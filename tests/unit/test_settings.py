"""Settings: what is shipped is valid, and mistakes are told with place and way out."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from llmrack.problems import DeclarationError
from llmrack.stack.load import load_settings, load_stack
from tests.unit.declare import SHA

ROOT = Path(__file__).parents[2]
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
