"""Declared names of models against a provider's own list."""

from __future__ import annotations

from typing import Any

import pytest

from llmrack.problems import Problem
from llmrack.stack.model_lists import listed, not_listed, servers, with_lists
from tests.unit.declare import STACK, declaration, host, stack, two_boxes

REMOTE = {"kind": "ollama-remote", "url": "http://office:11434"}
OPENAI = {"kind": "openai-compatible", "url": "https://openai.lab/v1", "api_key": "KEY"}


def found(provider: dict[str, Any], upstream: str, names: set[str]) -> list[Problem]:
    declared = stack(
        providers={**STACK["providers"], "other": provider},
        models={**STACK["models"], "mine": {"provider": "other", "model": upstream}},
    )
    (server,) = servers(declared, two_boxes(), host(), "other")
    return list(not_listed(declaration(declared), server, names, "box1"))


@pytest.mark.parametrize(
    ("answer", "names"),
    [
        ({"models": [{"name": "a:latest", "model": "a:latest"}, {"size": 1}]}, {"a:latest"}),
        ({"object": "list", "data": [{"id": "a"}, {"id": "b"}]}, {"a", "b"}),
        ({"data": []}, set()),
        ({"data": None}, None),
        ({"error": "no"}, None),
        (["a"], None),
    ],
)
def test_a_list_is_read_in_ollamas_form_and_in_openais(
    answer: object, names: set[str] | None
) -> None:
    by_name = listed(answer)
    assert (None if by_name is None else set(by_name)) == names


@pytest.mark.parametrize(
    ("provider", "url"),
    [
        ({"kind": "ollama-cloud"}, "https://ollama.com/api/tags"),
        (REMOTE, "http://office:11434/api/tags"),
        (REMOTE | {"paths": {"models": "/v2/models"}}, "http://office:11434/v2/models"),
        ({"kind": "vllm", "url": "http://v:8000/v1"}, "http://v:8000/v1/models"),
        (OPENAI, "https://openai.lab/v1/models"),
    ],
)
def test_each_kind_of_provider_lists_its_models_at_its_own_place(
    provider: dict[str, Any], url: str
) -> None:
    declared = stack(providers={**STACK["providers"], "other": provider})
    (server,) = servers(declared, two_boxes(), host(), "other")
    assert server.list_url == url


def test_our_own_hosts_those_not_in_use_and_wildcards_are_not_asked() -> None:
    declared = stack(
        providers={
            **STACK["providers"],
            "vllm": STACK["providers"]["vllm"] | {"enabled": False},
            "other": OPENAI,
        },
        models={**STACK["models"], "other/*": {"provider": "other"}},
    )
    assert set(with_lists(declared)) == {"cloud"}


def test_a_name_that_is_lacking_is_told_with_place_and_way_out() -> None:
    (problem,) = found({"kind": "ollama-cloud"}, "glm-4.7", {"glm-4.6", "gpt-oss:20b"})
    assert str(problem) == (
        "stack.yaml: models.mine: provider 'other' does not list a model 'glm-4.7' "
        "(https://ollama.com/api/tags, asked from box1); valid: glm-4.6, gpt-oss:20b"
    )


@pytest.mark.parametrize(
    ("provider", "upstream", "name"),
    [
        (REMOTE, "llama3.2", "llama3.2:latest"),
        (REMOTE, "llama3.2:latest", "llama3.2"),
        (OPENAI, "gemini-2", "models/gemini-2"),
        (OPENAI, "gpt-4o", "gpt-4o"),
    ],
)
def test_a_name_that_means_the_same_is_found(
    provider: dict[str, Any], upstream: str, name: str
) -> None:
    assert found(provider, upstream, {name}) == []


def test_the_tag_latest_is_ollamas_alone() -> None:
    assert found(OPENAI, "gpt", {"gpt:latest"})


def test_what_an_openai_like_service_does_not_list_has_a_way_out() -> None:
    (problem,) = found(OPENAI, "gpt-4o:online", {"gpt-4o"})
    assert "can be declared by a wildcard" in problem.way_out


def test_a_long_list_is_not_repeated() -> None:
    (problem,) = found(REMOTE, "zzz", {f"model{number}" for number in range(300)})
    assert problem.way_out == "choose one of the 300 that it lists"


def test_an_empty_list_lacks_everything() -> None:
    (problem,) = found(REMOTE, "llama3.2", set())
    assert problem.way_out == "it lists none: get it there first"
