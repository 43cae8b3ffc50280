"""Transcriptions, speech, ranks and images through a gateway: answered, refused, limited."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import pytest

from tests.lab.front import SECRET
from tests.lab.keyed_front import key
from tests.lab.kinds_front import (
    KINDS,
    PAID,
    RANKED,
    STRAY,
    World,
    answered,
    kinds_front,
    noted,
    shown,
    silence,
)


@pytest.fixture(scope="module")
def world(gateway_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with kinds_front(gateway_python, tmp_path_factory.mktemp("kinds")) as found:
        yield found


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_answered_and_logged(world: World, kind: str) -> None:
    assert answered(kind, world.ask(kind, PAID[kind])) == f"first/{PAID[kind]}"
    sent = world.sent("first")
    assert sent["headers"]["Authorization"] == shown(SECRET)
    # Headers of the declaration go with each kind.
    assert sent["headers"]["X-Client"] == "rack"
    (line,) = noted(world, PAID[kind], 1)
    told = {name: line[name] for name in ("key", "served", "instance", "provider", "status")}
    assert told == {
        "key": "all",
        "served": PAID[kind],
        "instance": "first",
        "provider": "first",
        "status": 200,
    }
    assert 0 < line["duration"] < 30


@pytest.mark.parametrize("kind", ["transcription", "rerank"])
def test_a_vllm_server_is_asked_in_the_same_form(world: World, kind: str) -> None:
    model = {"transcription": "heard", "rerank": "order"}[kind]
    assert answered(kind, world.ask(kind, model)) == f"vllm/{model}"
    assert world.sent("vllm")["headers"]["Authorization"] == shown(SECRET)


@pytest.mark.parametrize("kind", KINDS)
def test_no_key_of_the_environment_is_sent(world: World, kind: str) -> None:
    assert world.ask(kind, f"open-{kind}").status_code == 200
    sent = world.sent("open")["headers"]
    assert sent["Authorization"] == shown("none")
    assert not [each for each in STRAY if f"stray-{each}" in str(sent)]
    assert "Openai-Organization" not in sent


def refused(answer: httpx.Response) -> str:
    """Why: a 400 with a sentence, in OpenAI's form."""
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert "litellm" not in str(error).lower()
    said: str = error["message"]
    return said


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        ("speech", {"input": 7}, "input must be a text, and not empty; it is a number"),
        ("speech", {"voice": None}, "voice must be a text, and not empty; it is null"),
        ("speech", {"response_format": "mp9"}, "response_format: 'mp9' is none"),
        ("speech", {"stream_format": "sse"}, "stream_format must be audio; leave it out"),
        ("rerank", {"documents": []}, "documents must be a list of texts, and not empty"),
        ("rerank", {"query": ""}, "query must be a text, and not empty; it is a text"),
        ("rerank", {"max_chunks_per_doc": 2}, "max_chunks_per_doc is nothing that the server"),
        ("image", {"prompt": ""}, "prompt must be a text, and not empty; it is a text"),
        ("image", {"stream": True}, "stream cannot be had here"),
        ("transcription", {"stream": "true"}, "stream cannot be had here"),
        ("transcription", {"response_format": "odd"}, "response_format: 'odd' is none"),
    ],
)
def test_a_wrong_request_is_refused_and_blames_nobody(
    world: World, kind: str, body: dict[str, object], said: str
) -> None:
    before = world.aside()
    assert said in refused(world.ask(kind, PAID[kind], **body))
    assert world.aside() == before


def test_audio_is_sent_in_a_form(world: World) -> None:
    client, headers = world.front.process.client, {"Authorization": f"Bearer {key('all')}"}
    path = "/v1/audio/transcriptions"
    said = refused(client.post(path, json={"model": "whisper"}, headers=headers))
    assert said == "audio is sent in a form: send multipart/form-data, with the audio as file"
    files = {"other": ("a.wav", silence())}
    data = {"model": "whisper"}
    said = refused(client.post(path, data=data, files=files, headers=headers))
    assert said == "file is missing: send the audio in it, with a name such as audio.wav"
    files = {"file": ("a.wav", silence()), "model": ("b.wav", b"whisper")}
    said = refused(client.post(path, files=files, headers=headers))
    assert said == "model must be a text; it is a file"


def test_audio_that_is_too_large_is_refused(world: World) -> None:
    files = {"file": ("a.wav", bytes(33 * 1024 * 1024))}
    answer = world.front.process.client.post(
        "/v1/audio/transcriptions",
        data={"model": "whisper"},
        files=files,
        headers={"Authorization": f"Bearer {key('all')}"},
    )
    assert answer.status_code == 413
    assert "larger than 32 MiB" in answer.json()["error"]["message"]


@pytest.mark.parametrize("model", ["chat", "vectors", *PAID.values()])
@pytest.mark.parametrize("kind", KINDS)
def test_a_model_of_another_kind_is_refused_with_those_that_are(
    world: World, kind: str, model: str
) -> None:
    if PAID[kind] == model:
        return
    said = refused(world.ask(kind, model))
    assert f"not for {kind}; ask one that is: " in said
    assert PAID[kind] in said


@pytest.mark.parametrize("kind", KINDS)
def test_no_chat_is_had_of_another_kind(world: World, kind: str) -> None:
    answer = world.front.process.chat(PAID[kind])
    assert f"{PAID[kind]} is for {kind}, not for chat" in refused(answer)


@pytest.mark.parametrize("kind", KINDS)
def test_a_clients_key_may_ask_what_it_is_for(world: World, kind: str) -> None:
    answer = world.ask(kind, PAID[kind], "chatty")
    assert answer.status_code == 403
    assert f"the key chatty may not ask '{PAID[kind]}'" in answer.json()["error"]["message"]
    if kind == "transcription":
        answered(kind, world.ask(kind, PAID[kind], "listening"))


def test_a_key_goes_to_no_newer_form_of_ranks(world: World) -> None:
    client, headers = world.front.process.client, {"Authorization": f"Bearer {key('all')}"}
    assert client.post("/v2/rerank", json={"model": "ranks"}, headers=headers).status_code == 403
    asked = {"model": "ranks", **RANKED}
    answered("rerank", client.post("/rerank", json=asked, headers=headers))


def test_names_and_modes_are_listed(world: World) -> None:
    client, headers = world.front.process.client, {"Authorization": f"Bearer {key('all')}"}
    listed = client.get("/v1/models", headers=headers).json()["data"]
    assert {each["id"] for each in listed} >= set(PAID.values())
    told = client.get("/v1/model/info", headers=headers).json()["data"]
    modes = {each["model_name"]: each["model_info"]["mode"] for each in told}
    assert {kind: modes[name] for kind, name in PAID.items()} == {
        "transcription": "audio_transcription",
        "speech": "audio_speech",
        "rerank": "rerank",
        "image": "image_generation",
    }


@pytest.fixture
def sdk(world: World) -> openai.OpenAI:
    """OpenAI's own client."""
    url = f"{world.front.process.url}/v1"
    return openai.OpenAI(base_url=url, api_key=key("all"), max_retries=0, timeout=30)


@pytest.mark.parametrize(
    ("form", "begin"), [("text", "[openai"), ("srt", "1\n00:00"), ("vtt", "WEBVTT")]
)
def test_a_transcription_comes_in_the_form_that_is_asked_for(
    sdk: openai.OpenAI, form: str, begin: str
) -> None:
    create = sdk.audio.transcriptions.create
    said = create(model="whisper", file=("a.wav", silence()), response_format=form)
    assert isinstance(said, str)
    assert said.startswith(begin)


def test_a_transcription_has_its_segments(sdk: openai.OpenAI) -> None:
    create = sdk.audio.transcriptions.create
    said = create(model="whisper", file=("a.wav", silence()), response_format="verbose_json")
    assert said.duration == 0.5
    assert [each.end for each in said.segments or []] == [0.5]


def test_what_is_given_is_passed_on(world: World) -> None:
    asked = {"language": "en", "temperature": "0.2", "prompt": "Ada", "hotwords": "llmrack"}
    answered("transcription", world.ask("transcription", "whisper", **asked))
    sent = world.sent("first")["body"]
    named = {"model": "transcription", "file": "speech.wav", "response_format": "json"}
    assert sent == {**asked, **named}
    answered("rerank", world.ask("rerank", "ranks", return_documents=True, top_n=3))
    assert world.sent("first")["body"] == {
        **RANKED,
        "model": "rerank",
        "return_documents": True,
        "top_n": 3,
    }
    drawn = {"size": "512x512", "n": 1, "response_format": "b64_json", "style": "vivid", "steps": 4}
    answered("image", world.ask("image", "pictures", **drawn))
    assert world.sent("first")["body"] == {"model": "image", "prompt": "A cat.", **drawn}
    spoken = {"speed": 1.5, "instructions": "Calmly.", "response_format": "wav"}
    assert world.ask("speech", "voice", **spoken).headers["content-type"] == "audio/wav"
    assert world.sent("first")["body"] == {
        "model": "speech",
        "input": "Hello.",
        "voice": "alloy",
        **spoken,
    }


def test_what_is_not_passed_on_is_named(world: World) -> None:
    answer = world.ask("speech", "voice", language="en", extra_headers={"X-Stolen": "1"})
    answered("speech", answer)
    assert answer.headers["x-llmrack-left-out"] == "language, extra_headers"
    assert "X-Stolen" not in world.sent("first")["headers"]
    answer = world.ask("rerank", "ranks", seed=1, extra_body={"a": 1})
    answered("rerank", answer)
    assert answer.headers["x-llmrack-left-out"] == "seed, extra_body"
    assert "a" not in world.sent("first")["body"]
    answer = world.ask("transcription", "dropping", language="en")
    answered("transcription", answer)
    assert answer.headers["x-llmrack-left-out"] == "language"
    assert "language" not in world.sent("first")["body"]


def test_an_image_is_edited(world: World) -> None:
    files = {"image": ("a.png", b"\x89PNG not really", "image/png")}
    answer = world.front.process.client.post(
        "/v1/images/edits",
        data={"model": "pictures", "prompt": "A dog."},
        files=files,
        headers={"Authorization": f"Bearer {key('all')}"},
    )
    answered("image", answer)
    assert world.sent("first")["headers"]["Authorization"] == shown(SECRET)


@pytest.mark.parametrize("kind", KINDS)
def test_a_certificate_is_verified_as_declared(world: World, kind: str) -> None:
    assert answered(kind, world.ask(kind, f"sealed-{kind}")) == f"sealed/sealed-{kind}"
