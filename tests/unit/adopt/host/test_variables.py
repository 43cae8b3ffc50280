"""The environment of an Ollama, variable by variable."""

from __future__ import annotations

from typing import Any

import pytest

from llmrack.adopt.host.variables import settings_of
from llmrack.adopt.notes import Notes
from llmrack.stack.settings import Settings
from tests.unit.adopt.host.looks import host, ollama


def taken(*names: str, **environment: str) -> tuple[dict[str, Any], list[str]]:
    """The settings and notes of variables whose values are known, and of other names."""
    notes = Notes("box1", {})
    seen = host(ollama(environment=environment, names=list(names)))
    settings = settings_of(seen.servers[0], notes)
    Settings.model_validate(settings)
    return settings, notes.printed()


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("OLLAMA_KEEP_ALIVE", "-1", "-1"),
        ("OLLAMA_KEEP_ALIVE", "24h", "24h"),
        ("OLLAMA_CONTEXT_LENGTH", "32768", 32768),
        ("OLLAMA_NUM_PARALLEL", "4", 4),
        ("OLLAMA_FLASH_ATTENTION", "1", True),
        ("OLLAMA_FLASH_ATTENTION", "true", True),
        ("OLLAMA_KV_CACHE_TYPE", "q8_0", "q8_0"),
        ("OLLAMA_ORIGINS", "http://a.example.com,*", "http://a.example.com,*"),
        ("OLLAMA_DEBUG", "1", 1),
        ("OLLAMA_DEBUG", "true", 1),
        ("CUDA_VISIBLE_DEVICES", "0,1", "0,1"),
        ("OLLAMA_NO_CLOUD", "0", False),
    ],
)
def test_variables_of_ollama_are_taken_over(name: str, text: str, value: object) -> None:
    settings, notes = taken(**{name: text})
    assert settings == {"ollama_environment": {name: value}}
    assert notes == [f"box1: ollama.service.{name}: {name} {value!r} in ollama_environment"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("OLLAMA_CONTEXT_LENGTH", "0"),
        ("OLLAMA_KV_CACHE_TYPE", "none"),
        ("OLLAMA_KEEP_ALIVE", ""),
        ("OLLAMA_NUM_PARALLEL", "many"),
    ],
)
def test_a_value_that_llmrack_refuses_is_left_out_with_the_reason(name: str, text: str) -> None:
    settings, (note,) = taken(**{name: text})
    assert settings == {}
    assert note.startswith(f"box1: ollama.service.{name}: left out: llmrack refuses its value")


def test_a_proxy_is_the_hosts_and_its_login_a_secret() -> None:
    settings, notes = taken(
        HTTPS_PROXY="http://@proxy.example.com:3128",
        HTTP_PROXY="http://proxy.example.com:3128",
        NO_PROXY="localhost,127.0.0.1,.corp.example.com,10.0.0.0/8",
    )
    assert settings == {
        "proxy": "http://proxy.example.com:3128",
        "proxy_login": "PROXY_LOGIN",
        "no_proxy": ["corp.example.com", "10.0.0.0/8"],
    }
    assert "run `llmrack secrets set PROXY_LOGIN` with its login" in "\n".join(notes)
    assert "HTTP_PROXY: left out" in "\n".join(notes)


def test_a_proxy_in_small_letters_counts_too() -> None:
    assert taken(https_proxy="http://proxy:3128")[0] == {"proxy": "http://proxy:3128"}


def test_a_proxy_that_llmrack_does_not_take_is_lost() -> None:
    settings, (note,) = taken(HTTPS_PROXY="socks5://proxy:1080")
    assert settings == {}
    assert "not taken over: is a SOCKS proxy" in note
    assert note.endswith("see docs/proxies.md")
    assert "not taken over" in taken(NO_PROXY="http://x:1")[1][0]


def test_names_of_other_variables_are_told_and_what_systemd_sets_is_not() -> None:
    settings, notes = taken(
        "PATH", "INVOCATION_ID", "OPENAI_API_KEY", "HF_TOKEN", "OLLAMA_NEW_ENGINE"
    )
    assert settings == {}
    assert notes == [
        "box1: ollama.service.OLLAMA_NEW_ENGINE: left out: llmrack does not know it; put it into "
        "ollama_extra_environment if your Ollama knows it",
        "box1: ollama.service: left out: no setting of Ollama's server: OPENAI_API_KEY, HF_TOKEN",
    ]


def test_a_slip_of_the_hand_is_named_and_a_secret_is_not_put_into_a_setting() -> None:
    assert "did you mean OLLAMA_NUM_PARALLEL?" in taken("OLLAMA_NUM_PARALLELL")[1][0]
    assert "has the name of a secret" in taken("OLLAMA_API_KEY")[1][0]
