"""Names that the pinned LiteLLM does not know are found without a host, with their lines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llmrack.problems import Problem
from llmrack.site.litellm_names import NAMES, unknown_names
from llmrack.site.locks import litellm_version, locks
from llmrack.stack.declaration import Declaration
from llmrack.stack.litellm import CALLBACKS, REFUSED, ROUTER_SETTINGS
from llmrack.stack.load import load_stack
from tests.unit.declare import two_boxes

STACK = """\
providers:
  local: {kind: ollama}
models:
  m: {provider: local}
litellm:
"""
KNOWN = json.loads(NAMES.read_text())


def unknown(tmp_path: Path, text: str) -> list[Problem]:
    file = tmp_path / "stack.yaml"
    file.write_text(STACK + text)
    stack, lines = load_stack(file, "stack.yaml")
    return unknown_names(Declaration(stack, two_boxes(), [], lines), None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "  litellm_settings:\n    cach: true\n",
            "stack.yaml:7: litellm.litellm_settings.cach: 'cach' is not known to LiteLLM VERSION; "
            "did you mean 'cache'?",
        ),
        (
            "  litellm_settings:\n    callbacks: [otel,\n      langfuse_otl]\n",
            "stack.yaml:8: litellm.litellm_settings.callbacks.1: 'langfuse_otl' is not known to "
            "LiteLLM VERSION; did you mean 'langfuse_otel'?",
        ),
        (
            "  general_settings:\n    pass_trough_endpoints: []\n",
            "stack.yaml:7: litellm.general_settings.pass_trough_endpoints: "
            "'pass_trough_endpoints' is not known to LiteLLM VERSION; did you mean "
            "'pass_through_endpoints'?",
        ),
        (
            "  guardrail: []\n",
            "stack.yaml:6: litellm.guardrail: 'guardrail' is not known to LiteLLM VERSION; did "
            "you mean 'guardrails'?",
        ),
        (
            "  general_settings: {qwertyuiop: 1}\n",
            "stack.yaml:6: litellm.general_settings.qwertyuiop: 'qwertyuiop' is not known to "
            "LiteLLM VERSION; correct it, or leave it out",
        ),
    ],
)
def test_a_typing_error_is_found(tmp_path, text, message) -> None:
    (problem,) = unknown(tmp_path, text)
    assert str(problem) == message.replace("VERSION", KNOWN["version"])


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("service_callback", "prometheus_system"),
        ("service_callback", "datadog"),
        ("success_callback", "sentry"),
        ("failure_callback", "langfuse"),
        ("callbacks", "presidio"),
        ("audit_log_callbacks", "s3_v2"),
    ],
)
def test_a_callback_is_known_where_litellm_takes_it(tmp_path, kind, name) -> None:
    assert unknown(tmp_path, f"  litellm_settings: {{{kind}: [{name}]}}\n") == []


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        (
            "callbacks",
            "prometheus_system",
            "take 'prometheus_system' here; write it in service_callback",
        ),
        ("callbacks", "sentry", "here; write it in success_callback or failure_callback"),
        ("service_callback", "presidio", "here; write it in callbacks"),
        ("callbacks", "langfuse_prompt", "VERSION; correct it, or leave it out"),
    ],
)
def test_a_callback_is_shown_the_setting_that_takes_it(tmp_path, kind, name, message) -> None:
    (problem,) = unknown(tmp_path, f"  litellm_settings: {{{kind}: [{name}]}}\n")
    assert message.replace("VERSION", KNOWN["version"]) in str(problem)


def test_a_callback_may_have_a_name_of_its_own(tmp_path) -> None:
    text = (
        "  litellm_settings: {callbacks: [audit]}\n"
        "  callback_settings: {audit: {callback_type: generic_api, endpoint: 'http://a/'}}\n"
    )
    assert unknown(tmp_path, text) == []


def test_a_function_of_litellm_is_no_setting(tmp_path) -> None:
    assert unknown(tmp_path, "  litellm_settings: {acompletion: 1}\n")


def test_the_list_is_of_the_locked_release() -> None:
    """`make lock` writes it anew."""
    assert KNOWN["version"] == litellm_version(locks(None)[0])


def test_what_a_stack_cannot_have_is_what_litellm_has() -> None:
    for section, names in REFUSED.items():
        assert not names.keys() - set(KNOWN[section])
    assert not set(ROUTER_SETTINGS) - set(KNOWN["router_settings"])
    assert not set(CALLBACKS) - set(KNOWN["litellm_settings"])
    assert set(CALLBACKS) < set(KNOWN)
