"""Contract of blobs and of models that are created; holds for Ollama and the stand-in."""

from __future__ import annotations

import hashlib

from tests.contract.ollama_process import OllamaProcess


def test_blob_is_unknown_until_it_is_uploaded(ollama: OllamaProcess) -> None:
    content = b"one blob"
    path = f"/api/blobs/sha256:{hashlib.sha256(content).hexdigest()}"
    assert ollama.client.head(path).status_code == 404
    assert ollama.client.post(path, content=content).status_code == 201
    assert ollama.client.head(path).status_code == 200
    assert ollama.client.post(path, content=content).status_code == 200


def test_blob_may_be_uploaded_in_chunks(ollama: OllamaProcess) -> None:
    parts = [b"some ", b"parts"]
    path = f"/api/blobs/sha256:{hashlib.sha256(b''.join(parts)).hexdigest()}"
    assert ollama.client.post(path, content=iter(parts)).status_code == 201


def test_blob_with_another_digest_is_400(ollama: OllamaProcess) -> None:
    wrong, got = "sha256:" + "0" * 64, f"sha256:{hashlib.sha256(b'x').hexdigest()}"
    response = ollama.client.post(f"/api/blobs/{wrong}", content=b"x")
    assert response.status_code == 400
    assert response.json() == {"error": f'digest mismatch, expected "{wrong}", got "{got}"'}


def test_blob_with_an_invalid_digest_is_400(ollama: OllamaProcess) -> None:
    response = ollama.client.post("/api/blobs/md5:1", content=b"x")
    assert (response.status_code, response.json()) == (400, {"error": "invalid digest format"})


def test_model_is_created_from_another_one(ollama: OllamaProcess) -> None:
    lines = ollama.lines(
        "/api/create",
        model="coding-assistant",
        **{"from": "llama3.1"},
        system="You write code.",
        parameters={"temperature": 0.7},
        messages=[{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Yes?"}],
    )
    words = [line["status"] for line in lines]
    assert words[-2:] == ["writing manifest", "success"]
    assert any(word.startswith("using existing layer sha256:") for word in words)
    assert any(word.startswith("creating new layer sha256:") for word in words)
    answer = ollama.answer("/api/show", model="coding-assistant")
    assert answer["system"] == "You write code."
    assert f"{'temperature':<30} 0.7" in answer["parameters"].splitlines()
    assert f'{"stop":<30} "user:"' in answer["parameters"].splitlines()
    assert [message["content"] for message in answer["messages"]] == ["Hi.", "Yes?"]
    assert answer["capabilities"] == ["completion", "tools"]


def test_model_is_created_from_a_gguf_file(ollama: OllamaProcess) -> None:
    shown = ollama.answer("/api/show", model="llama3.1")
    path = next(line for line in shown["modelfile"].splitlines() if line.startswith("FROM "))
    digest = path.rpartition("/")[2].replace("-", ":")
    answer = ollama.answer("/api/create", model="from-file", files={"model.gguf": digest})
    assert answer == {"status": "success"}
    details = ollama.answer("/api/show", model="from-file")["details"]
    assert (details["format"], details["family"]) == ("gguf", "llama")
    assert details["parameter_size"] == "120K"


def test_create_from_nothing_is_400(ollama: OllamaProcess) -> None:
    response = ollama.post("/api/create", model="empty")
    assert response.status_code == 400
    assert response.json() == {"error": "neither 'from' or 'files' was specified"}


def test_create_with_an_invalid_name_is_400(ollama: OllamaProcess) -> None:
    response = ollama.post("/api/create", model="a b", **{"from": "llama3.1"})
    assert (response.status_code, response.json()) == (400, {"error": "invalid model name"})


def test_create_from_a_file_that_is_no_gguf_is_400(ollama: OllamaProcess) -> None:
    digest = f"sha256:{hashlib.sha256(b'no gguf').hexdigest()}"
    ollama.client.post(f"/api/blobs/{digest}", content=b"no gguf")
    response = ollama.post("/api/create", model="bad", files={"x.gguf": digest}, stream=False)
    assert response.status_code == 400
    assert response.json() == {"error": "supplied file was not in GGUF format"}
