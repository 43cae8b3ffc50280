"""Transcriptions, speech, images and ranks of the providers' stand-ins, asked by real clients."""

from __future__ import annotations

import base64
import io
import wave
from collections.abc import Iterator

import openai
import pytest

from llmrack_lab.standins.answers import Model
from llmrack_lab.standins.form import read_form
from llmrack_lab.standins.openai_like import MODELS as OPENAI_MODELS
from llmrack_lab.standins.openai_like import OpenAILike
from llmrack_lab.standins.vllm import VLLM, _model
from tests.unit.running_standin import HELLO, KEY, Running, running

RANKED = {"query": "red apple", "documents": ["a stone", "an apple", "a red apple"]}


@pytest.fixture
def openai_like() -> Iterator[Running]:
    ranks = Model("ranks", answers="rerank")
    yield from running(OpenAILike([*OPENAI_MODELS, ranks], KEY))


@pytest.fixture
def vllm() -> Iterator[Running]:
    names = ("qwen", "bge:embedding", "order:rerank", "whisper:transcription")
    yield from running(VLLM([_model(name) for name in names], ""))


def silence(seconds: float) -> bytes:
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(int(seconds * 8000) * 2))
    return made.getvalue()


@pytest.mark.parametrize("content", [b"", b"\r\n--\r\n\r\n", bytes(range(256)), b"a\nb\rc\r\n"])
def test_a_file_in_a_form_arrives_as_it_is(content: bytes) -> None:
    head = b'Content-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
    field = b'Content-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n'
    raw = b"--x\r\n" + field + b"--x\r\n" + head + content + b"\r\n--x--\r\n"
    form = read_form("multipart/form-data; boundary=x", raw)
    assert form is not None
    assert form.fields == {"model": "whisper-1", "file": "a.wav"}
    assert form.files == {"file": content}
    assert read_form("application/json", raw) is None


def test_a_transcription_says_how_long_the_audio_is(openai_like: Running) -> None:
    create = openai_like.openai.audio.transcriptions.create
    answer = create(model="whisper-1", file=("a.wav", silence(0.5)))
    assert answer.text == "[openai whisper-1] It heard 0.5 s of audio."
    with pytest.raises(openai.BadRequestError, match="not supported at /v1/audio/transcriptions"):
        create(model="gpt-4o", file=("a.wav", silence(0.5)))


@pytest.mark.parametrize(
    ("form", "begin"), [("text", "[openai"), ("srt", "1\n00:00"), ("vtt", "WEBVTT")]
)
def test_a_transcription_has_the_form_that_is_asked_for(
    openai_like: Running, form: str, begin: str
) -> None:
    answer = openai_like.openai.audio.transcriptions.create(
        model="whisper-1", file=("a.wav", silence(0.5)), response_format=form
    )
    assert answer.startswith(begin)


def test_speech_is_audio(openai_like: Running) -> None:
    answer = openai_like.openai.audio.speech.create(
        model="tts-1", voice="alloy", input="hello", response_format="wav"
    )
    assert answer.response.headers["content-type"] == "audio/wav"
    assert answer.content.startswith(b"ID3[openai tts-1]")
    with pytest.raises(openai.BadRequestError, match="not supported at /v1/audio/speech"):
        openai_like.openai.audio.speech.create(model="whisper-1", voice="alloy", input="hello")


def test_an_image_is_one(openai_like: Running) -> None:
    generate = openai_like.openai.images.generate
    made = generate(model="gpt-image-1", prompt="a cat", n=2)
    assert len(made.data or []) == 2
    assert base64.b64decode(str((made.data or [])[0].b64_json)).startswith(b"\x89PNG")
    with pytest.raises(openai.BadRequestError, match="256x256"):
        generate(model="dall-e-3", prompt="a cat", size="256x256")
    with pytest.raises(openai.BadRequestError, match="Unknown parameter: 'response_format'"):
        generate(model="gpt-image-1", prompt="a cat", response_format="b64_json")


@pytest.mark.parametrize("server", ["vllm", "openai_like"])
def test_documents_are_ranked(server: str, request: pytest.FixtureRequest) -> None:
    running_server: Running = request.getfixturevalue(server)
    model = {"vllm": "order", "openai_like": "ranks"}[server]
    answer = running_server.api.post("/v1/rerank", json={"model": model, **RANKED, "top_n": 2})
    assert [entry["index"] for entry in answer.json()["results"]] == [2, 1]


def test_vllm_says_what_a_model_does_not_support(vllm: Running) -> None:
    answer = vllm.api.post("/v1/rerank", json={"model": "qwen", **RANKED})
    assert (answer.status_code, answer.json()) == (404, {"detail": "Not Found"})
    with pytest.raises(openai.NotFoundError):
        vllm.openai.chat.completions.create(model="order", messages=HELLO)
    with pytest.raises(openai.NotFoundError):
        vllm.openai.audio.transcriptions.create(model="qwen", file=("a.wav", silence(0.1)))
    heard = vllm.openai.audio.transcriptions.create(model="whisper", file=("a.wav", silence(0.1)))
    assert heard.text == "[vllm whisper] It heard 0.1 s of audio."
