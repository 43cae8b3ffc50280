"""Which models are for what a path asks."""

from __future__ import annotations

import pytest

from llmrack.shipped.gateway.requests.kinds import Kinds

kinds = Kinds(
    {"talks": {"kind": "chat"}, "embeds": {"kind": "embedding"}, "any/*": {"kind": "chat"}},
    {"short": "talks"},
)


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/v1/chat/completions", "talks"),
        ("/chat/completions", "short"),
        ("/v1/messages", "talks"),
        ("/v1/embeddings", "embeds"),
        ("/v1/embeddings", "nobody"),
        ("/v1/embeddings", "any/x"),
        ("/v1/embeddings", None),
        ("/v1/models", "talks"),
    ],
)
def test_a_model_is_asked_for_what_it_is_for(path: str, model: object) -> None:
    assert kinds.mistake(path, model, None) is None


@pytest.mark.parametrize(
    ("path", "model", "reason"),
    [
        ("/v1/audio/speech", "talks", "talks is for chat, not for speech; no model here is"),
        ("/v1/images/generations", "short", "short is for chat, not for image; no model here is"),
        ("/v1/rerank", "embeds", "embeds is for embedding, not for rerank; no model here is"),
        (
            "/v1/embeddings",
            "talks",
            "talks is for chat, not for embedding; ask one that is: embeds",
        ),
    ],
)
def test_another_kind_is_refused_with_those_that_are(path: str, model: str, reason: str) -> None:
    assert kinds.mistake(path, model, None) == reason


def test_only_models_that_the_client_may_ask_are_named() -> None:
    assert str(kinds.mistake("/v1/embeddings", "talks", ["talks"])).endswith("no model here is")
