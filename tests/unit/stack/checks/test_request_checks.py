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
