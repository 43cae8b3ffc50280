"""What can be wrong with what is declared of requests."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from llmrack.stack.checks.checks import check, warnings
from tests.unit.declare import STACK, declaration, stack

LLAMA = "llama3.1:latest"


def with_model(name: str, **fields: Any) -> Any:
    return stack(models=STACK["models"] | {name: fields})  # type: ignore[operator]


def thinker(provider: str, levels: list[str] | None) -> Any:
    thinking = {"levels": levels} if levels is not None else {"default": "low"}
    return with_model("x", provider=provider, capabilities=["chat", "thinking"], thinking=thinking)


@pytest.mark.parametrize(
    ("provider", "levels"),
    [
        ("local", []),
        ("local", ["low", "max"]),
        ("vllm", []),
        ("vllm", ["minimal"]),
        ("local", None),
    ],
)
def test_levels_that_a_server_can_be_asked_for_are_taken(
    provider: str, levels: list[str] | None
) -> None:
    assert check(declaration(thinker(provider, levels))) == []


def test_a_level_that_ollama_does_not_know_is_found() -> None:
    (problem,) = check(declaration(thinker("local", ["minimal", "high"])))
    assert "models.x.thinking.levels: Ollama knows no level minimal" in str(problem)


def test_a_switch_that_openais_api_does_not_have_is_found() -> None:
    paid = {"kind": "openai-compatible", "url": "https://paid/v1"}
    declared = stack(
        providers=STACK["providers"] | {"paid": paid},  # type: ignore[operator]
        models=STACK["models"]  # type: ignore[operator]
        | {
            "x": {
                "provider": "paid",
                "capabilities": ["chat", "thinking"],
                "thinking": {"levels": []},
            }
        },
    )
    (problem,) = check(declaration(declared))
    assert "OpenAI's API has no switch for thinking" in str(problem)


def test_thinking_is_for_models_that_can() -> None:
    with pytest.raises(ValidationError, match="'thinking' is for models with that capability"):
        with_model("x", provider="local", thinking={"default": "low"})


def eyes(**fields: Any) -> list[str]:
    models = STACK["models"] | {  # type: ignore[operator]
        LLAMA: {"provider": "local", **fields},
        "eyes": {"provider": "vllm", "capabilities": ["chat", "vision"]},
    }
    warned = warnings(declaration(stack(models=models, chains={LLAMA: ["eyes"]})))
    return [str(problem) for problem in warned if "images" in str(problem)]


def test_images_that_went_along_a_chain_are_warned_of() -> None:
    (text,) = eyes()
    assert f"models.{LLAMA}: requests with images are refused by it" in text
    assert "on_refusal: next" in text


def test_images_that_still_go_along_it_are_not() -> None:
    assert eyes(on_refusal="next") == []
    assert eyes(capabilities=["chat", "vision"]) == []


@pytest.mark.parametrize("name", ["gpt-oss:20b", "qwen3:8b", "org/deepseek-r1"])
def test_a_model_that_thinks_by_its_name_is_warned_of(name: str) -> None:
    (text,) = [
        str(problem)
        for problem in warnings(declaration(with_model("x", provider="vllm", model=name)))
        if "models.x." in str(problem)
    ]
    assert "reasoning_effort of clients is left out" in text


@pytest.mark.parametrize("name", ["qwen3-coder:30b", "llama3.2", "qwen3-embedding"])
def test_one_that_does_not_is_not(name: str) -> None:
    warned = warnings(declaration(with_model("x", provider="vllm", model=name)))
    assert not [problem for problem in warned if "models.x." in str(problem)]


@pytest.mark.parametrize(
    ("provider", "fields"),
    [
        ("local", {"options": {"num_batch": 64}}),
        ("local", {"keep_alive": "1h"}),
        ("vllm", {"chat_template_kwargs": {"preserve_thinking": True}, "max_num_seqs": None}),
        ("vllm", {"options": {"num_ctx": 4096}}),
    ],
)
def test_fields_of_the_servers_own_are_taken(provider: str, fields: dict[str, Any]) -> None:
    assert check(declaration(with_model("x", provider=provider, extra_body=fields))) == []


@pytest.mark.parametrize(
    ("fields", "cause"),
    [
        ({"temperature": 0.1}, "'temperature' has a place of its own; use 'defaults'"),
        ({"think": True}, "use 'thinking'"),
        ({"model": "other"}, "use the key 'model'"),
        ({"extra_headers": {"x": "y"}}, "use the keys of the provider"),
        ({"messages": []}, "'messages' is what clients ask for"),
        ({"stream": True}, "'stream' is what clients ask for"),
        ({"plugins": [{"token": "sk-00000000"}]}, "'plugins' has a secret in plain text"),
        ({"plugins": {"url": "os.environ/X"}}, "'plugins' names a secret"),
        ({"not a name": 1}, ""),
    ],
)
def test_fields_that_have_another_place_are_refused(fields: dict[str, Any], cause: str) -> None:
    with pytest.raises(ValidationError) as raised:
        with_model("x", provider="vllm", extra_body=fields)
    assert cause in str(raised.value)
    assert "00000000" not in str(raised.value)


@pytest.mark.parametrize(
    ("model", "way_out"),
    [
        ({"provider": "local", "extra_body": {"options": {"num_ctx": 4096}}}, "context_length"),
        (
            {"provider": "vllm", "capabilities": ["rerank"], "extra_body": {"top_n": 1}},
            "leave it out",
        ),
    ],
)
def test_fields_that_would_do_harm_or_nothing_are_refused(
    model: dict[str, Any], way_out: str
) -> None:
    (problem,) = check(declaration(with_model("x", **model)))
    assert "models.x.extra_body" in str(problem)
    assert way_out in str(problem)
