"""A blob that is missing or cut short: the look sees it, and the model is fetched anew."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from llmrack.components.engine import ModelSeen
from llmrack.components.ollama.models import CreatedModel, OllamaModel
from llmrack.components.ollama.models_seen import models_part, seen_models
from llmrack.resources.change import Build, Shell
from llmrack.resources.look import Look, Seen, parse
from llmrack.resources.look_script import script

MODEL = "llama3.2:1b"
WEIGHTS, CONFIG = "a" * 64, "b" * 64


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A models directory with one whole model."""
    layers = [{"mediaType": "x", "digest": f"sha256:{WEIGHTS}", "size": 3_000}]
    config = {"mediaType": "y", "digest": f"sha256:{CONFIG}", "size": 20}
    manifest = tmp_path / "manifests/registry.ollama.ai/library/llama3.2/1b"
    manifest.parent.mkdir(parents=True)
    manifest.write_text(json.dumps({"layers": layers, "config": config}))
    (tmp_path / "blobs").mkdir()
    (tmp_path / f"blobs/sha256-{WEIGHTS}").write_bytes(bytes(3_000))
    (tmp_path / f"blobs/sha256-{CONFIG}").write_bytes(bytes(20))
    return tmp_path


def seen(folder: Path) -> ModelSeen:
    look = Look()
    look.ask(models_part(str(folder)))
    done = subprocess.run(["sh", "-c", script(look, "n")], capture_output=True, text=True)
    return seen_models(parse(done.stdout.splitlines(), look))[MODEL]


def damaged(model: str, size: int) -> Seen:
    return Seen(parts={"model": {model: ModelSeen("d", 1, ((WEIGHTS, size),))}})


def test_a_whole_model_is_not_damaged(folder):
    seen_ = seen(folder)
    assert (seen_.size, seen_.damaged) == (3_020, ())


def test_a_blob_that_is_gone_is_seen(folder):
    (folder / f"blobs/sha256-{CONFIG}").unlink()
    assert seen(folder).damaged == ((CONFIG, 20),)


def test_a_blob_that_was_cut_short_is_seen(folder):
    (folder / f"blobs/sha256-{WEIGHTS}").write_bytes(bytes(2_999))
    assert seen(folder).damaged == ((WEIGHTS, 3_000),)


def test_a_folder_without_any_blob_is_seen(folder):
    for file in (folder / "blobs").iterdir():
        file.unlink()
    assert {digest for digest, _ in seen(folder).damaged} == {WEIGHTS, CONFIG}


def test_a_damaged_model_is_pulled_after_what_is_damaged_was_removed():
    model = OllamaModel(MODEL, "/m", "http://u", 60, "llm")
    change = model.change(damaged(MODEL, 3_000), ())
    assert change
    assert change.why == f"blobs are missing or of another size: {WEIGHTS[:12]}"
    remove, pull = change.actions
    assert isinstance(remove, Shell)
    assert f"/m/blobs/sha256-{WEIGHTS} 3000\n" in remove.script
    assert (pull.model, pull.url, pull.stall) == (MODEL, "http://u", 60)


@pytest.mark.parametrize(("content", "stays"), [(bytes(3_000), True), (bytes(9), False)])
def test_a_blob_that_was_mended_for_another_model_stays(folder, content, stays):
    blob = folder / f"blobs/sha256-{WEIGHTS}"
    blob.write_bytes(content)
    model = OllamaModel(MODEL, str(folder), "http://u", 60, "root")
    change = model.change(damaged(MODEL, 3_000), ())
    assert change
    (remove, _) = change.actions
    assert isinstance(remove, Shell)
    subprocess.run(["sh", "-c", remove.script], check=True)
    assert blob.exists() == stays


def test_a_damaged_model_of_our_own_is_made_anew():
    model = CreatedModel(
        *("own:latest", "/m", "http://u", "", False, "r", "{}", WEIGHTS, (), "/n", "llm", 60)
    )
    change = model.change(damaged("own:latest", 9), ())
    assert change
    remove, build, _ = change.actions
    assert isinstance(remove, Shell)
    assert isinstance(build, Build)
