"""Kinds of answers: what may be declared of them, and what a gateway gets of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from llmrack.components.gateway import gateway
from llmrack.components.gateway.routing import routing
from llmrack.drills.plan import plan
from llmrack.observe.clients.clients import served
from llmrack.observe.providers.discovery import Found, _entry
from llmrack.stack.checks.checks import check
from llmrack.stack.deployments import deployments
from llmrack.stack.kinds import MODES, kind_of
from llmrack.stack.models import Model
from tests.unit.declare import STACK, declaration, stack, two_boxes

SPEECH = {"kind": "openai-compatible", "url": "http://192.0.2.30:8014/v1"}
PROVIDERS = STACK["providers"] | {"speech": SPEECH}
OTHERS = ("transcription", "speech", "rerank", "image")


def with_models(**models: dict[str, Any]) -> Any:
    used = {provider["provider"] for provider in models.values()}
    providers = PROVIDERS if "speech" in used else STACK["providers"]
    return stack(providers=providers, models=STACK["models"] | models)


def found(**models: dict[str, Any]) -> list[str]:
    return [str(problem) for problem in check(declaration(with_models(**models)))]


@pytest.mark.parametrize("kind", [*MODES])
def test_the_kind_of_a_model_is_what_its_capabilities_name(kind: str) -> None:
    model = Model.model_validate({"provider": "speech", "capabilities": [kind]})
    assert kind_of(model) == kind
    chat = Model.model_validate({"provider": "x", "capabilities": ["vision", "chat", "tools"]})
    assert kind_of(chat) == "chat"


@pytest.mark.parametrize("kind", [*MODES])
def test_an_openai_compatible_provider_may_have_every_kind(kind: str) -> None:
    assert found(x={"provider": "speech", "capabilities": [kind]}) == []


@pytest.mark.parametrize(
    ("provider", "kind", "reason"),
    [
        *(("local", kind, f"Ollama has no {kind}, and provider 'local'") for kind in OTHERS),
        ("cloud", "speech", "provider 'cloud' is of kind ollama-cloud"),
        ("vllm", "speech", "vLLM has no speech, and provider 'vllm' is of kind vllm"),
        ("vllm", "image", "vLLM has no image"),
    ],
)
def test_a_server_that_has_no_such_answers_is_refused(
    provider: str, kind: str, reason: str
) -> None:
    (text,) = found(x={"provider": provider, "capabilities": [kind]})
    assert reason in text
    assert "openai-compatible has every one" in text


@pytest.mark.parametrize("kind", ["transcription", "rerank"])
def test_a_vllm_server_transcribes_and_ranks(kind: str) -> None:
    assert found(x={"provider": "vllm", "capabilities": [kind]}) == []


@pytest.mark.parametrize(
    ("capabilities", "reason"),
    [
        (["chat", "embedding"], "chat and embedding are 2 kinds of answer, and a model has one"),
        (["speech", "transcription", "chat"], "chat, transcription and speech are 3 kinds"),
        (["speech", "tools"], "tools belongs to chat, and this model is for speech"),
        (["vision"], "vision alone is no kind of answer; add chat"),
    ],
)
def test_a_model_that_mixes_kinds_is_refused(capabilities: list[str], reason: str) -> None:
    (text,) = found(x={"provider": "speech", "capabilities": capabilities})
    assert "models.x.capabilities" in text
    assert reason in text


def test_only_a_model_of_the_same_kind_stands_in() -> None:
    models = {
        "whisper": {"provider": "speech", "capabilities": ["transcription"]},
        "voice": {"provider": "speech", "capabilities": ["speech"]},
    }
    declared = with_models(**models)
    for part in (
        {"chains": {"whisper": ["voice"]}},
        {"tiers": {"t": ["whisper", "voice"]}},
        {"mixes": {"t": {"whisper": 1, "voice": 1}}},
        {"default_chain": ["voice"]},
    ):
        wrong = declared.model_copy(update=part)
        texts = [str(problem) for problem in check(declaration(wrong))]
        assert any("cannot stand in for" in text for text in texts), part
    assert declared.chain("whisper") == ()


@pytest.mark.parametrize(
    ("kind", "at_service", "at_vllm"),
    [
        ("chat", "openai", "hosted_vllm"),
        ("embedding", "openai", "hosted_vllm"),
        ("transcription", "openai", "openai"),
        ("rerank", "hosted_vllm", "hosted_vllm"),
        ("speech", "openai", None),
        ("image", "openai", None),
    ],
)
def test_litellm_s_prefix_follows_from_the_kind(
    kind: str, at_service: str, at_vllm: str | None
) -> None:
    for provider, prefix in (("speech", at_service), ("vllm", at_vllm)):
        if prefix is None:
            continue
        declared = with_models(x={"provider": provider, "capabilities": [kind]}, y=_speech())
        fleet = two_boxes()
        (deployment,) = [e for e in deployments(declared, fleet, fleet.hosts[0]) if e.name == "x"]
        assert deployment.litellm_model == f"{prefix}/x"
        assert deployment.url == PROVIDERS[provider]["url"]


def _speech() -> dict[str, Any]:
    return {"provider": "speech", "capabilities": ["speech"]}


@pytest.mark.parametrize("kind", [*MODES])
def test_the_gateway_is_told_the_mode(kind: str) -> None:
    declared, fleet = with_models(x={"provider": "speech", "capabilities": [kind]}), two_boxes()
    config = yaml.safe_load(gateway.configuration(declared, fleet, fleet.hosts[0]))
    (row,) = [row for row in config["model_list"] if row["model_name"] == "x"]
    assert row["model_info"]["mode"] == MODES[kind]
    assert row["litellm_params"]["api_key"] == "none"
    assert row["litellm_params"].get("use_chat_completions_api", False) == (kind == "chat")
    report = json.loads(routing(declared, fleet, fleet.hosts[0]))
    assert report["groups"]["x"]["kind"] == kind
    assert report["groups"]["x"]["mode"] == MODES[kind]
    assert report["deployments"]["speech/x"]["kind"] == kind


def test_what_is_about_chats_leaves_the_others_out() -> None:
    models = {kind: {"provider": "speech", "capabilities": [kind]} for kind in OTHERS}
    declared = with_models(**models)
    chats = [deployment.name for deployment in served(declared, two_boxes(), "chat")]
    assert not set(OTHERS) & set(chats)


def test_a_drill_makes_no_images() -> None:
    second = {**SPEECH, "priority": 2}
    names = {kind: {"provider": ["speech", "second"], "capabilities": [kind]} for kind in OTHERS}
    declared = stack(providers=PROVIDERS | {"second": second}, models=STACK["models"] | names)
    fleet = two_boxes()
    drills = plan(declared, fleet, fleet.hosts[0]).drills
    asked = {item.name: item.kind for drill in drills for item in drill.asked}
    assert {name: asked.get(name) for name in OTHERS} == {
        "transcription": "transcription",
        "speech": "speech",
        "rerank": "rerank",
        "image": None,
    }


@pytest.mark.parametrize(
    ("name", "capabilities"),
    [
        ("whisper-large-v3", ["transcription"]),
        ("gpt-4o-mini-transcribe", ["transcription"]),
        ("tts-1-hd", ["speech"]),
        ("bge-reranker-v2", ["rerank"]),
        ("dall-e-3", ["image"]),
        ("text-embedding-3-small", ["embedding"]),
        ("gpt-4o", None),
    ],
)
def test_what_a_discovered_model_is_for_is_in_its_name(
    name: str, capabilities: list[str] | None
) -> None:
    assert _entry("speech", Found(name, None, None, None)).get("capabilities") == capabilities
