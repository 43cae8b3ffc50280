"""The release of a host: which archives, from where, in which directory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from llmrack.bundle.ollama import bundled_files
from llmrack.components.engines import ENGINES, architectures
from llmrack.components.ollama.release import OFFICIAL, release, sources
from llmrack.stack.bundle import Bundle, Index
from llmrack.stack.fleet import Fleet, Host
from tests.unit.declare import SHA, host, stack

NVIDIA = "GPU-aaaaaaaa-0000-0000-0000-000000000001"


def amd(**changes: object) -> Host:
    """A host with a card that ROCm uses."""
    return replace(host(**changes), rocm=True)


def test_a_card_of_amd_adds_the_libraries_of_rocm() -> None:
    main, rocm = sources(amd(ollama_mirror="http://m/"), "amd64")
    assert main.sha256 == SHA["amd64"] and rocm.sha256 == SHA["amd64-rocm"]
    assert rocm.urls == (
        "http://m/v0.34.4/ollama-linux-amd64-rocm.tar.zst",
        f"{OFFICIAL}/v0.34.4/ollama-linux-amd64-rocm.tar.zst",
    )
    assert rocm.upload is None


@pytest.mark.parametrize(
    ("box", "arch"),
    [
        (host(), "amd64"),
        (amd(), "arm64"),
        (amd(ollama_sha256={"amd64": "a" * 64}), "amd64"),
    ],
)
def test_no_other_host_gets_them(box: Host, arch: str) -> None:
    assert len(sources(box, arch)) == 1


def test_a_release_with_rocm_is_another_directory_with_the_same_version() -> None:
    plain, with_rocm = release(host(), "amd64"), release(amd(), "amd64")
    other = release(amd(ollama_sha256=SHA | {"amd64-rocm": "e" * 64}), "amd64")
    assert len({plain, with_rocm, other}) == 3
    assert with_rocm.rpartition("-")[0] == plain.rpartition("-")[0]
    assert "rocm" in with_rocm


def test_a_file_of_this_machine_has_rocm_beside_it(tmp_path: Path) -> None:
    box = amd(ollama_archive=f"{tmp_path}/mine.tar.zst")
    assert [source.upload for source in sources(box, "amd64")] == [f"{tmp_path}/mine.tar.zst", None]
    beside = tmp_path / "ollama-linux-amd64-rocm.tar.zst"
    beside.touch()
    assert sources(box, "amd64")[1].upload == str(beside)


def test_a_bundle_has_rocm_too(tmp_path: Path) -> None:
    index = Index(
        targets=("debian-12-amd64",),
        ollama_version="0.34.4",
        ollama_sha256=SHA,
        models={},
        files={},
    )
    box = replace(amd(), bundle=Bundle(tmp_path, index))
    assert sources(box, "amd64")[1].upload == f"{tmp_path}/ollama/ollama-linux-amd64-rocm.tar.zst"
    (engine,) = ENGINES.values()
    old = replace(box, settings=amd(ollama_sha256={"amd64": "a" * 64}).settings)
    lack = engine.lacks_release(old, "amd64")
    assert lack and f"{tmp_path} has none: run `llmrack bundle create` again" in lack


def test_libraries_of_rocm_are_no_architecture() -> None:
    assert architectures(host()) == ["amd64", "arm64"]


def test_a_digest_that_a_card_of_amd_needs_is_asked_for() -> None:
    (engine,) = ENGINES.values()
    pins = {"amd64": "a" * 64, "arm64": "b" * 64}
    lack = engine.lacks_release(amd(ollama_sha256=pins), "amd64")
    assert lack and "add 'amd64-rocm' with that of ollama-linux-amd64-rocm.tar.zst" in lack
    assert "`llmrack pin ollama 0.34.4` says it" in lack
    assert engine.lacks_release(amd(), "amd64") is None
    # It may serve from its CPU, and there is no ROCm for arm64.
    assert engine.lacks_release(amd(ollama_sha256=pins, gpu_required=False), "amd64") is None
    assert engine.lacks_release(amd(ollama_sha256=pins), "arm64") is None


@pytest.mark.parametrize("cards", [[], [NVIDIA]])
def test_a_card_that_no_instance_may_have_needs_no_libraries(cards: list[str]) -> None:
    box = amd(
        ollama_sha256={"amd64": SHA["amd64"]}, ollama_instances=[{"name": "a", "gpus": cards}]
    )
    (engine,) = ENGINES.values()
    assert engine.lacks_release(box, "amd64") is None
    assert bundled_files(stack(), Fleet((box,)), {"amd64"}) == ["amd64"]


def test_libraries_of_rocm_are_for_the_instance_that_may_have_the_card() -> None:
    both = [{"name": "a", "gpus": [NVIDIA]}, {"name": "b", "gpus": ["GPU-00c0ffee00c0ffee"]}]
    assert len(sources(amd(ollama_instances=both), "amd64")) == 2
