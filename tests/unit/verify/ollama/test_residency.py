"""The proof of where models lie, what they can do and how fast, and how it fails."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import httpx
import pytest

from llmrack.stack.fleet import Host
from llmrack.stack.ollama.instances import instances
from llmrack.verify.ollama.residency import judge_journal, prove_residency
from llmrack.verify.results import Result
from tests.unit.declare import host, stack

GIB = 1 << 30
CARD = "GPU-9c127513-0000-4000-8000-000000000001"
ON_CARD = host(ollama_instances=[{"name": "big", "gpus": [CARD]}])
WITHOUT_CARD = host(ollama_instances=[{"name": "big", "gpus": []}])
CPU_BOX = host(gpu_required=False)
FOUND = f'level=INFO msg="inference compute" id={CARD} library=CUDA compute=8.9'
NONE_FOUND = 'level=INFO msg="inference compute" id=cpu library=cpu compute=""'
TOO_OLD = 'level=WARN msg="NVIDIA driver too old" device="NVIDIA GeForce GTX 1080" driver=565'


class Ollama:
    """Answers as an Ollama with ``m:latest``, all of it on a card; tests bend what it says."""

    def __init__(self) -> None:
        self.loaded = {"name": "m:latest", "size": 4 * GIB, "size_vram": 4 * GIB}
        self.loaded |= {"context_length": 8192}
        self.shown: dict[str, Any] = {
            "modelfile": "# Modelfile\n# FROM m:latest\n\nFROM /models/blobs/sha256-aa\n",
            "model_info": {"general.architecture": "llama", "llama.context_length": 131072},
            "capabilities": ["completion", "tools"],
        }
        # The weights of models of other names.
        self.others: dict[str, str] = {}
        self.speeds = [50.0]
        self.refusal: httpx.Response | None = None
        self.loads: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path, body = request.url.path, json.loads(request.content or b"{}")
        if path == "/api/ps":
            return httpx.Response(200, json={"models": [self.loaded]})
        if path == "/api/show":
            other = self.others.get(body["model"])
            shown = {"modelfile": f"FROM {other}\n"} if other else self.shown
            return httpx.Response(200, json=shown)
        if body.get("prompt"):
            duration = int(64e9 / self.speeds.pop(0))
            return httpx.Response(200, json={"eval_count": 64, "eval_duration": duration})
        self.loads.append((path, body))
        return self.refusal or httpx.Response(200, json={"done_reason": "load"})


def prove(ollama: Ollama, on: Host = ON_CARD, **model: object) -> dict[str, Result]:
    """The results for a model declared as ``model``, by check."""
    declared = stack(
        models={"public": {"provider": "local", "model": "m", **model}}, chains={}, default_chain=[]
    )
    transport = httpx.MockTransport(ollama)
    with httpx.Client(transport=transport, base_url="http://box1") as client:
        results = prove_residency(client, declared, on, instances(on)[0], lambda text: None)
    return {result.check: result for result in results}


def test_a_model_that_lies_on_its_card_is_proven() -> None:
    results = prove(Ollama())
    assert results == {
        "resident": Result(
            "box1", "public", "resident", True, "box1/big", detail="100% GPU, context 8192"
        ),
        "capabilities": Result(
            "box1", "public", "capabilities", True, "box1/big", detail="completion, tools"
        ),
    }


def test_a_model_on_the_cpu_fails_with_the_ways_out() -> None:
    ollama = Ollama()
    ollama.loaded["size_vram"] = 0
    result = prove(ollama)["resident"]
    assert not result.ok
    for word in ("runs on the CPU", "llmrack status --gpus", "driver", "journal", "gpu_required"):
        assert word in result.detail


def test_a_model_on_the_cpu_of_a_host_with_a_card_of_amd_tells_what_that_needs() -> None:
    ollama = Ollama()
    ollama.loaded["size_vram"] = 0
    detail = prove(ollama, replace(ON_CARD, rocm=True))["resident"].detail
    libraries = "/home/llm/.local/opt/ollama/current/lib/ollama/rocm_v*"
    assert f"A card of AMD's also needs ROCm's libraries in {libraries}" in detail
    assert "ROCm" not in prove(ollama)["resident"].detail


@pytest.mark.parametrize("on", [WITHOUT_CARD, CPU_BOX])
def test_a_model_on_the_cpu_is_proven_where_no_gpu_is_declared(on: Host) -> None:
    ollama = Ollama()
    ollama.loaded["size_vram"] = 0
    result = prove(ollama, on)["resident"]
    assert result.ok and result.detail == "100% CPU, context 8192"


def test_a_split_is_refused_unless_it_is_allowed() -> None:
    ollama = Ollama()
    ollama.loaded["size_vram"] = int(2.5 * GIB)
    refused = prove(ollama)["resident"]
    assert not refused.ok
    assert refused.detail.startswith("62% GPU, the rest runs on the CPU; ")
    assert "models.public.gpu_split" in refused.detail
    allowed = prove(ollama, gpu_split=True)["resident"]
    assert allowed.ok and allowed.detail == "62% GPU, context 8192"


def test_a_model_on_the_cpu_is_no_split() -> None:
    ollama = Ollama()
    ollama.loaded["size_vram"] = 0
    assert not prove(ollama, gpu_split=True)["resident"].ok


def test_nearly_all_on_the_card_is_not_called_100_percent() -> None:
    ollama = Ollama()
    ollama.loaded["size_vram"] = 4 * GIB - 1
    assert prove(ollama)["resident"].detail.startswith("99% GPU")


def test_an_entry_without_sizes_is_not_taken_for_the_card() -> None:
    ollama = Ollama()
    ollama.loaded |= {"size": 0, "size_vram": 0}
    assert not prove(ollama)["resident"].ok


def test_a_model_that_shares_its_weights_is_found_under_the_other_name() -> None:
    ollama = Ollama()
    ollama.loaded["name"] = "coder:latest"
    ollama.others = {"coder:latest": "/models/blobs/sha256-aa"}
    assert prove(ollama)["resident"].ok


def test_another_model_is_not_taken_for_it() -> None:
    ollama = Ollama()
    ollama.loaded["name"] = "coder:latest"
    ollama.others = {"coder:latest": "/models/blobs/sha256-bb"}
    result = prove(ollama)["resident"]
    assert not result.ok and "unloaded again at once" in result.detail


def test_a_chat_model_is_loaded_by_an_empty_generation() -> None:
    ollama = Ollama()
    prove(ollama)
    assert ollama.loads == [("/api/generate", {"model": "m:latest", "stream": False})]


def test_an_embedding_model_is_loaded_by_an_empty_input() -> None:
    ollama = Ollama()
    ollama.shown["capabilities"] = ["embedding"]
    assert prove(ollama, capabilities=["embedding"])["capabilities"].ok
    assert ollama.loads == [("/api/embed", {"model": "m:latest", "stream": False, "input": []})]


def test_a_model_that_is_never_kept_is_kept_until_it_is_seen() -> None:
    ollama = Ollama()
    prove(ollama, host(ollama_environment={"OLLAMA_KEEP_ALIVE": "0s"}))
    assert ollama.loads[0][1]["keep_alive"] == "10s"


def test_a_model_that_cannot_be_loaded_fails_with_ollamas_words() -> None:
    ollama = Ollama()
    ollama.refusal = httpx.Response(500, json={"error": "model requires more system memory"})
    results = prove(ollama, min_tokens_per_second=1)
    assert not results["resident"].ok
    assert "answers 500: model requires more system memory; see its journal" in (
        results["resident"].detail
    )
    assert "speed" not in results


def test_a_smaller_context_than_that_of_the_environment_fails() -> None:
    ollama = Ollama()
    ollama.loaded["context_length"] = 4096
    result = prove(ollama)["resident"]
    assert not result.ok and "context of 4096 tokens, not 8192; deploy again" in result.detail


def test_the_declared_context_is_what_counts() -> None:
    ollama = Ollama()
    assert not prove(ollama, context_length=16384)["resident"].ok
    ollama.loaded["context_length"] = 16384
    assert prove(ollama, context_length=16384)["resident"].ok


def test_a_context_that_the_model_brings_along_is_enough() -> None:
    ollama = Ollama()
    ollama.loaded["context_length"] = 4096
    ollama.shown["parameters"] = 'stop    "<|end|>"\nnum_ctx                        4096'
    assert prove(ollama)["resident"].ok


def test_more_context_than_trained_is_not_expected_by_default() -> None:
    ollama = Ollama()
    ollama.loaded["context_length"] = 2048
    ollama.shown["model_info"]["llama.context_length"] = 2048
    assert prove(ollama)["resident"].ok


def test_a_declared_context_above_the_trained_one_names_both() -> None:
    ollama = Ollama()
    ollama.loaded["context_length"] = ollama.shown["model_info"]["llama.context_length"] = 2048
    result = prove(ollama, context_length=16384)["resident"]
    assert not result.ok
    assert "a context of 16384 tokens is declared, but it was trained for 2048" in result.detail


def test_a_capability_that_ollama_does_not_list_fails() -> None:
    result = prove(Ollama(), capabilities=["chat", "vision"])["capabilities"]
    assert not result.ok
    assert result.detail.startswith(
        "declared is vision, but what Ollama says it can do is completion, tools; "
    )
    assert "models.public.capabilities" in result.detail


def test_the_better_of_two_tries_counts_for_the_speed() -> None:
    ollama = Ollama()
    ollama.speeds = [5, 42]
    result = prove(ollama, min_tokens_per_second=30)["speed"]
    assert result.ok and result.detail == "42.0 tokens/s"
    assert result.tokens_per_second == pytest.approx(42)


def test_a_slow_model_fails_with_both_numbers() -> None:
    ollama = Ollama()
    ollama.speeds = [5, 4]
    result = prove(ollama, min_tokens_per_second=30)["speed"]
    assert not result.ok
    assert result.detail.startswith("5.0 tokens/s, declared are at least 30; ")


def test_no_speed_is_measured_without_a_floor() -> None:
    assert "speed" not in prove(Ollama())


def test_a_journal_that_names_cards_is_proven() -> None:
    result = judge_journal(ON_CARD, instances(ON_CARD)[0], [FOUND])
    assert result == Result("box1", "ollama", "journal", True, "box1/big", detail="cards in use: 1")


@pytest.mark.parametrize("lines", [[NONE_FOUND], [TOO_OLD, NONE_FOUND], [TOO_OLD, FOUND]])
def test_a_journal_with_a_sign_of_the_cpu_fails_with_that_line(lines: list[str]) -> None:
    result = judge_journal(ON_CARD, instances(ON_CARD)[0], lines)
    assert not result.ok
    assert result.detail.endswith(lines[0]) and "llmrack status --gpus" in result.detail


def test_a_journal_that_was_cleared_is_no_failure() -> None:
    result = judge_journal(ON_CARD, instances(ON_CARD)[0], [])
    assert result.ok and "no longer reaches back" in result.detail
