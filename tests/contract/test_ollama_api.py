"""Contract of the server and of its management of models; holds for Ollama and the stand-in."""

from __future__ import annotations

import hashlib
import json
import os

import pytest

from llmrack_lab.standins.registry import Registry
from tests.contract.ollama_process import OllamaProcess, Remote, StartOllama, error_of


def test_the_server_as_a_whole_answers_options_and_notes_nothing(ollama: OllamaProcess) -> None:
    before = ollama.log.read_text()
    answer = ollama.client.request("OPTIONS", "/", extensions={"target": b"*"})
    assert (answer.status_code, answer.content) == (200, b"")
    assert "OPTIONS" not in ollama.log.read_text().removeprefix(before)


def test_status_says_whether_the_cloud_is_off(
    ollama: OllamaProcess, start_ollama: StartOllama
) -> None:
    assert ollama.get("/api/status") == {"cloud": {"disabled": True, "source": "env"}}
    other = start_ollama(OLLAMA_NO_CLOUD="0")
    assert other.get("/api/status") == {"cloud": {"disabled": False, "source": "none"}}


def test_me_is_an_error_for_somebody_who_is_not_signed_in(ollama: OllamaProcess) -> None:
    response = ollama.client.post("/api/me")
    assert error_of(response) in ((401, "unauthorized"), (503, "account unavailable"))


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_root_says_that_ollama_is_running(ollama: OllamaProcess, method: str) -> None:
    response = ollama.client.request(method, "/")
    assert response.status_code == 200
    assert response.text == ("Ollama is running" if method == "GET" else "")


def test_unknown_path_is_404(ollama: OllamaProcess) -> None:
    response = ollama.client.get("/api/nothing")
    assert (response.status_code, response.text) == (404, "404 page not found")


def test_wrong_method_is_405(ollama: OllamaProcess) -> None:
    assert ollama.client.get("/api/chat").status_code == 405


def test_foreign_host_header_on_loopback_is_403_without_body(ollama: OllamaProcess) -> None:
    response = ollama.client.get("/api/version", headers={"Host": "evil.example.com"})
    assert (response.status_code, response.content) == (403, b"")


@pytest.mark.parametrize("host", ["localhost:1234", "127.0.0.1", "box.internal", "10.1.2.3:80"])
def test_local_host_header_on_loopback_is_served(ollama: OllamaProcess, host: str) -> None:
    assert ollama.client.get("/api/version", headers={"Host": host}).status_code == 200


def test_foreign_host_header_on_other_address_is_served(start_ollama: StartOllama) -> None:
    server = start_ollama(address="0.0.0.0")
    response = server.client.get("/api/version", headers={"Host": "evil.example.com"})
    assert response.status_code == 200


@pytest.mark.parametrize("path", ["/api/chat", "/api/generate", "/api/pull", "/api/show"])
def test_missing_body_is_400(ollama: OllamaProcess, path: str) -> None:
    assert error_of(ollama.client.post(path)) == (400, "missing request body")


def test_body_that_is_not_json_is_400(ollama: OllamaProcess) -> None:
    assert ollama.client.post("/api/chat", content=b"{nonsense").status_code == 400


def test_tags_describes_a_model(ollama: OllamaProcess) -> None:
    models = {model["name"]: model for model in ollama.get("/api/tags")["models"]}
    model = models["llama3.1:latest"]
    path = ollama.models / "manifests/registry.ollama.ai/library/llama3.1/latest"
    manifest = json.loads(path.read_bytes())
    layers = [*manifest["layers"], manifest["config"]]
    assert model["model"] == "llama3.1:latest"
    assert model["digest"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert model["size"] == sum(layer["size"] for layer in layers)
    assert model["modified_at"].startswith("20")
    assert model["details"] == {
        "parent_model": "",
        "format": "gguf",
        "family": "llama",
        "families": ["llama"],
        "parameter_size": "123K",
        "quantization_level": "F32",
        "context_length": 131072,
        "embedding_length": 64,
    }


def test_tags_shows_a_manifest_that_was_put_there(ollama: OllamaProcess) -> None:
    library = ollama.models / "manifests/registry.ollama.ai/library"
    (library / "by-hand").mkdir()
    (library / "by-hand/v1").write_bytes((library / "llama3.1/latest").read_bytes())
    assert "by-hand:v1" in ollama.names()


def test_pull_streams_progress_and_success(start_ollama: StartOllama, remote: Remote) -> None:
    server = start_ollama()
    lines = server.lines("/api/pull", model=remote("qwen2.5-coder:7b"), insecure=True)
    words = [line["status"] for line in lines]
    assert words[0] == "pulling manifest"
    assert words[-3:] == ["verifying sha256 digest", "writing manifest", "success"]
    layers = [line for line in lines if "digest" in line]
    assert all(line["status"] == f"pulling {line['digest'][7:19]}" for line in layers)
    complete = {line["digest"] for line in layers if line.get("completed") == line["total"]}
    assert complete == {line["digest"] for line in layers}
    assert server.names() == {remote("qwen2.5-coder:7b")}


def test_pull_without_stream_answers_success(start_ollama: StartOllama, remote: Remote) -> None:
    server = start_ollama()
    answer = server.answer("/api/pull", model=remote("llama3.2:1b"), insecure=True)
    assert answer == {"status": "success"}


def test_second_pull_transfers_no_blob(
    ollama: OllamaProcess, remote: Remote, registry: Registry
) -> None:
    name = remote("llama3.2:latest")
    ollama.answer("/api/pull", model=name, insecure=True)
    before = registry.bytes_sent
    ollama.answer("/api/pull", model=name, insecure=True)
    assert registry.bytes_sent == before


def test_interrupted_pull_is_resumed(
    start_ollama: StartOllama, remote: Remote, registry: Registry
) -> None:
    server, before = start_ollama(), registry.bytes_sent
    body = {"model": remote("qwen2.5-coder:7b"), "insecure": True}
    registry.rate = 4_000_000
    try:
        with server.client.stream("POST", "/api/pull", json=body) as response:
            for line in response.iter_lines():
                if json.loads(line).get("completed", 0) > 4_000_000:
                    break
        lines = server.lines("/api/pull", **body)
    finally:
        registry.rate = None
    assert lines[-1] == {"status": "success"}
    assert registry.bytes_sent - before < 12_000_000


def test_failed_streamed_pull_is_200_with_an_error_line(
    ollama: OllamaProcess, remote: Remote
) -> None:
    lines = ollama.lines("/api/pull", model=remote("nothing"), insecure=True)
    assert lines == [
        {"status": "pulling manifest"},
        {"error": "pull model manifest: file does not exist"},
    ]


def test_failed_pull_without_stream_is_500(ollama: OllamaProcess, remote: Remote) -> None:
    response = ollama.post("/api/pull", model=remote("nothing"), insecure=True, stream=False)
    assert error_of(response) == (500, "pull model manifest: file does not exist")


def test_pull_of_an_invalid_name_is_400(ollama: OllamaProcess) -> None:
    assert error_of(ollama.post("/api/pull", model="a b")) == (400, "invalid model name")


def test_show_describes_a_model(ollama: OllamaProcess) -> None:
    answer = ollama.answer("/api/show", model="llama3.1")
    assert answer["capabilities"] == ["completion", "tools"]
    assert answer["details"]["family"] == "llama"
    assert ".Tools" in answer["template"]
    assert answer["modelfile"].startswith("# Modelfile generated by")
    assert answer["license"].startswith("Made by llmrack")
    info = answer["model_info"]
    assert info["general.architecture"] == "llama"
    assert info["general.parameter_count"] == 122944
    assert info["llama.context_length"] == 131072
    assert info["llama.embedding_length"] == 64
    assert info["tokenizer.ggml.tokens"] is None
    assert "general.name" not in info


@pytest.mark.parametrize(
    ("model", "capabilities"),
    [
        ("llava", ["completion", "vision"]),
        ("all-minilm", ["embedding"]),
        ("qwen3", ["completion", "tools", "thinking"]),
        ("gpt-oss:20b", ["completion", "tools", "thinking"]),
    ],
)
def test_show_names_the_capabilities(
    ollama: OllamaProcess, model: str, capabilities: list[str]
) -> None:
    assert ollama.answer("/api/show", model=model)["capabilities"] == capabilities


def test_show_of_a_missing_model_is_404(ollama: OllamaProcess) -> None:
    assert error_of(ollama.post("/api/show", model="nothing")) == (
        404,
        "model 'nothing:latest' not found",
    )


def test_show_without_a_name_is_400(ollama: OllamaProcess) -> None:
    assert error_of(ollama.post("/api/show", model="")) == (400, "model is required")


def test_names_ignore_letter_case(ollama: OllamaProcess) -> None:
    assert ollama.post("/api/show", model="LLAMA3.1:Latest").status_code == 200


def test_copy_of_a_missing_model_is_404(ollama: OllamaProcess) -> None:
    response = ollama.post("/api/copy", source="nothing", destination="x")
    assert error_of(response) == (404, 'model "nothing" not found')


def test_copied_model_can_be_deleted_and_leaves_the_original(ollama: OllamaProcess) -> None:
    copied = ollama.post("/api/copy", source="llava", destination="mine/llava:v2")
    assert (copied.status_code, copied.content) == (200, b"")
    assert "mine/llava:v2" in ollama.names()
    deleted = ollama.client.request("DELETE", "/api/delete", json={"model": "mine/llava:v2"})
    assert (deleted.status_code, deleted.content) == (200, b"")
    assert "mine/llava:v2" not in ollama.names()
    assert ollama.answer("/api/show", model="llava")


def test_delete_removes_blobs_that_nothing_else_needs(
    start_ollama: StartOllama, remote: Remote
) -> None:
    server = start_ollama()
    server.answer("/api/pull", model=remote("llama3.1"), insecure=True)
    server.client.request("DELETE", "/api/delete", json={"model": remote("llama3.1")})
    assert list((server.models / "blobs").iterdir()) == []


def test_delete_of_a_missing_model_is_404(ollama: OllamaProcess) -> None:
    response = ollama.client.request("DELETE", "/api/delete", json={"model": "nothing"})
    assert error_of(response) == (404, "model 'nothing' not found")


def test_start_prunes_old_blobs_that_no_model_needs(
    start_ollama: StartOllama, remote: Remote
) -> None:
    server = start_ollama()
    server.answer("/api/pull", model=remote("llama3.1"), insecure=True)
    home = server.models.parent
    orphan = server.models / "blobs" / f"sha256-{'a' * 64}"
    orphan.write_bytes(b"orphan")
    for blob in orphan.parent.iterdir():
        os.utime(blob, (0, 0))
    assert server.stop() == 0
    start_ollama(home, OLLAMA_NOPRUNE="1").stop()
    assert orphan.exists()
    pruned = start_ollama(home)
    assert not orphan.exists()
    assert pruned.answer("/api/show", model=remote("llama3.1"))
