"""Contract of blobs and of models that are created; holds for Ollama and the stand-in."""

from __future__ import annotations

import hashlib
from pathlib import Path

import gguf
import numpy as np
import pytest

from llmrack_lab.standins.ollama.create import LAST_WITH_ADAPTERS
from llmrack_lab.standins.weights import write_llama
from tests.contract.ollama_process import HELLO, OllamaProcess


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
    assert details["parameter_size"] == "123K"


def upload(ollama: OllamaProcess, file: Path) -> str:
    content = file.read_bytes()
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert ollama.client.post(f"/api/blobs/{digest}", content=content).status_code in (200, 201)
    return digest


def write_adapter(file: Path, scale: float = 16.0) -> Path:
    """A LoRA for the lab's language models, as llama.cpp's convert_lora_to_gguf.py writes it."""
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", scale)
    writer.add_tensor("blk.0.attn_q.weight.lora_a", np.zeros((2, 64), dtype=np.float32))
    writer.add_tensor("blk.0.attn_q.weight.lora_b", np.zeros((64, 2), dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


@pytest.fixture
def older(ollama: OllamaProcess) -> OllamaProcess:
    """An Ollama that still takes adapters; a build made by hand calls itself 0.0.0."""
    if not takes_adapters(ollama):
        pytest.skip("adapters are taken up to 0.34.0, and this is a later one")
    return ollama


def takes_adapters(ollama: OllamaProcess) -> bool:
    version = ollama.client.get("/api/version").json()["version"].partition("-")[0]
    return tuple(map(int, version.split("."))) <= LAST_WITH_ADAPTERS


def test_adapters_are_400_since_0_34_1(ollama: OllamaProcess, tmp_path: Path) -> None:
    if takes_adapters(ollama):
        pytest.skip("this is an older one")
    digest = upload(ollama, write_adapter(tmp_path / "tune.gguf"))
    body = {"from": "llama3.1", "adapters": {"tune.gguf": digest}}
    response = ollama.post("/api/create", model="tuned", stream=False, **body)
    assert response.status_code == 400
    assert response.json() == {"error": "LoRA adapters are no longer supported"}


def test_model_is_created_with_an_adapter(older: OllamaProcess, tmp_path: Path) -> None:
    ollama = older
    digest = upload(ollama, write_adapter(tmp_path / "tune.gguf"))
    lines = ollama.lines(
        "/api/create", model="tuned", **{"from": "llama3.1"}, adapters={"tune.gguf": digest}
    )
    assert lines[-1] == {"status": "success"}
    shown = ollama.answer("/api/show", model="tuned")
    hexadecimal = digest.removeprefix("sha256:")
    assert any(
        line.startswith("ADAPTER ") and line.endswith(f"sha256-{hexadecimal}")
        for line in shown["modelfile"].splitlines()
    )
    assert shown["details"]["family"] == "llama"


def test_two_adapters_are_400(older: OllamaProcess, tmp_path: Path) -> None:
    ollama = older
    digests = {
        name: upload(ollama, write_adapter(tmp_path / name, scale))
        for name, scale in (("a.gguf", 1.0), ("b.gguf", 2.0))
    }
    body = {"from": "llama3.1", "adapters": digests}
    response = ollama.post("/api/create", model="two", stream=False, **body)
    assert response.status_code == 400
    assert response.json() == {"error": "only one adapter is currently supported"}


def test_adapter_that_is_no_gguf_is_400(older: OllamaProcess, tmp_path: Path) -> None:
    ollama = older
    file = tmp_path / "x.gguf"
    file.write_bytes(b"no gguf at all")
    body = {"from": "llama3.1", "adapters": {"x.gguf": upload(ollama, file)}}
    response = ollama.post("/api/create", model="bad", stream=False, **body)
    assert response.status_code == 400
    assert response.json() == {"error": "supplied file was not in GGUF format"}


def test_gguf_file_that_was_uploaded_becomes_a_model(ollama: OllamaProcess, tmp_path: Path) -> None:
    file = tmp_path / "own.gguf"
    write_llama(file, "own", 2048)
    body = {"files": {"own.gguf": upload(ollama, file)}, "parameters": {"num_ctx": 512}}
    assert ollama.answer("/api/create", model="own", **body) == {"status": "success"}
    shown = ollama.answer("/api/show", model="own")
    assert shown["model_info"]["llama.context_length"] == 2048
    assert shown["parameters"].split() == ["num_ctx", "512"]


def test_model_without_a_template_chats(ollama: OllamaProcess, tmp_path: Path) -> None:
    file = tmp_path / "bare.gguf"
    write_llama(file, "bare", 2048)
    ollama.answer("/api/create", model="bare", files={"bare.gguf": upload(ollama, file)})
    assert ollama.answer("/api/show", model="bare")["template"] == "{{ .Prompt }}"
    options = {"num_predict": 2}
    answer = ollama.answer("/api/chat", model="bare", messages=HELLO, options=options)
    assert answer["message"]["content"]


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
