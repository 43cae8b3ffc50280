"""Models on hosts: what is pulled, made, removed, and what the notes on the host decide."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Mapping

import pytest

from llmrack.components.engine import ModelSeen
from llmrack.components.ollama.models import (
    CreatedModel,
    DeclaredModelsOnly,
    ModelsKept,
    OllamaModel,
    manifest_path,
    note_name,
)
from llmrack.components.ollama.models_seen import (
    model_name,
    models_part,
    seen_models,
)
from llmrack.resources.change import Build, Pull, Shell
from llmrack.resources.look import Look, Seen, parse
from llmrack.resources.look_script import script
from llmrack.resources.script import script_file

FOLDER, URL = "/home/llm/.ollama/models", "http://127.0.0.1:11434"
NOTE = "/home/llm/.config/llmrack/models/note"


def seen(note: str = "", **models: str) -> Seen:
    """A host with models (their digests by name, ``_`` for ``:``) and a note."""
    present = {name.replace("_", ":"): ModelSeen(digest, 10**9) for name, digest in models.items()}
    return Seen(parts={"model": present}, notes={NOTE: note} if note else {})


def models_in(folder: str) -> Mapping[str, ModelSeen]:
    """What this machine's own shell says, by the script that hosts run."""
    look = Look()
    look.ask(models_part(folder))
    done = subprocess.run(["sh", "-c", script(look, "n")], capture_output=True, text=True)
    return seen_models(parse(done.stdout.splitlines(), look))


def created(**changes) -> CreatedModel:
    fields = {
        "model": "assistant:latest",
        "folder": FOLDER,
        "url": URL,
        "source": "base:latest",
        "is_copy": False,
        "recipe": "r1",
        "request": json.dumps({"system": "Help.", "parameters": {"temperature": 0.7}}),
        "weights": "",
        "files": (),
        "note": NOTE,
        "user": "llm",
        "stall": 60,
    }
    return CreatedModel(**(fields | changes))


def test_missing_model_is_pulled_and_a_present_one_is_not():
    model = OllamaModel("gemma3:latest", FOLDER, URL, 60, "llm")
    assert model.change(Seen(), ()).actions == (
        Pull(
            "gemma3:latest",
            URL,
            60,
            "registry.ollama.ai/library/gemma3/latest",
            "https://registry.ollama.ai/v2/library/gemma3/manifests/latest",
        ),
    )
    assert model.change(seen(gemma3_latest="d"), ()) is None


def test_another_tag_of_a_model_is_another_model():
    assert OllamaModel("gemma3:latest", FOLDER, URL, 60, "llm").change(seen(gemma3_27b="d"), ())


def test_created_model_is_asked_for_as_declared():
    build, note = created().change(Seen(), ()).actions
    assert isinstance(build, Build) and build.path == "/api/create"
    assert json.loads(build.request) == {
        "model": "assistant:latest",
        "from": "base:latest",
        "system": "Help.",
        "parameters": {"temperature": 0.7},
    }
    assert isinstance(note, Shell)


def test_model_from_a_file_names_its_blob():
    file = ("support.gguf", "a" * 64)
    model = created(source="", weights="a" * 64, files=(file,), request="{}")
    build = model.change(Seen(), ()).actions[0]
    assert build.files == (file,)
    assert json.loads(build.request)["files"] == {"model.gguf": f"sha256:{'a' * 64}"}


def test_copy_gives_a_model_a_second_name():
    build = created(is_copy=True, request="{}").change(Seen(), ()).actions[0]
    assert build.path == "/api/copy"
    assert json.loads(build.request) == {
        "source": "base:latest",
        "destination": "assistant:latest",
    }


def test_unchanged_created_model_costs_nothing():
    present = seen("r1 own base", assistant_latest="own", base_latest="base")
    assert created().change(present, ()) is None


@pytest.mark.parametrize(
    ("note", "models", "changed", "why"),
    [
        ("", {}, (), "missing"),
        ("r0 own base", {}, (), "declared differently"),
        ("", {"assistant_latest": "own"}, (), "not made from the declaration"),
        ("r1 other base", {}, (), "changed on the host"),
        ("r1 own older", {}, (), "base:latest is another one now"),
        ("r1 own base", {}, ("OllamaModel base:latest",), "base:latest is another one now"),
    ],
)
def test_created_model_is_made_anew_when_something_differs(note, models, changed, why):
    whole = {"assistant_latest": "own", "base_latest": "base"} if why != "missing" else {}
    present = seen(note, **(models or whole))
    assert created().change(present, changed).why == why


def test_prune_removes_by_exact_name():
    only = DeclaredModelsOnly(frozenset({"gemma3:latest"}), FOLDER, URL)
    change = only.change(seen(gemma3_latest="a", gemma3_27b="b"), ())
    assert change.why == "to be removed: gemma3:27b (1.0 GB)"
    assert "gemma3:latest" not in change.actions[0].script
    assert only.change(seen(gemma3_latest="a"), ()) is None


def test_prune_quotes_what_it_finds_on_a_host():
    only = DeclaredModelsOnly(frozenset(), FOLDER, URL)
    present = Seen(parts={"model": {"a'; reboot #:x": ModelSeen("d")}})
    assert '\'{"model": "a\'"\'"\'; reboot #:x"}\'' in only.change(present, ()).actions[0].script


def test_models_are_compared_after_a_restart_alone():
    kept = ModelsKept("Unit llmrack-ollama@main.service", FOLDER, URL)
    assert kept.change(seen(a_b="d"), ()) is None
    assert kept.change(Seen(), (kept.unit,)) is None
    script = script_file("ollama/compare-models.sh", URL, FOLDER, "a:b")
    assert kept.change(seen(a_b="d"), (kept.unit,)).actions == (Shell(script),)


def test_a_model_that_is_no_longer_listed_is_named(tmp_path):
    answer = '{"models":[{"name":"a:b"},{"name": "c:d"}]}'
    (tmp_path / "curl").write_text(f"#!/bin/sh\necho '{answer}'\n")
    (tmp_path / "curl").chmod(0o755)

    def compared(*names):
        script = script_file("ollama/compare-models.sh", URL, "/m", *names)
        path = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
        return subprocess.run(["sh", "-c", script], env=path, capture_output=True, text=True)

    assert compared("a:b", "c:d").returncode == 0
    done = compared("a:b", "b", "c:d")
    assert done.returncode == 1
    assert done.stdout.startswith("b was there before the restart and Ollama no longer lists it")


@pytest.mark.parametrize("source", ["base:latest", ""])
def test_what_a_model_was_made_by_is_noted(tmp_path, monkeypatch, source):
    monkeypatch.setattr("llmrack.components.ollama.models.owned", lambda owner, text: text)
    for name in ("assistant:latest", "base:latest"):
        file = tmp_path / "manifests" / manifest_path(name)
        file.parent.mkdir(parents=True)
        file.write_text(name)
    model = created(folder=str(tmp_path), source=source, note=f"{tmp_path}/a note")
    subprocess.run(["sh", "-c", model.change(Seen(), ()).actions[-1].script], check=True)
    digests = [hashlib.sha256(name.encode()).hexdigest() for name in ("assistant:latest", source)]
    assert (tmp_path / "a note").read_text().split() == [
        *("r1", digests[0], digests[1] if source else "-")
    ]


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("llama3.2:1b", "registry.ollama.ai/library/llama3.2/1b"),
        ("me/mine:v1", "registry.ollama.ai/me/mine/v1"),
        ("hf.co/me/mine:Q4", "hf.co/me/mine/Q4"),
    ],
)
def test_manifest_path_is_ollamas_and_reads_back(name, path):
    assert manifest_path(name) == path
    assert model_name(path) == name


def test_notes_of_two_models_never_share_a_file():
    assert note_name("a/b:c") != note_name("a-b:c")
    assert "/" not in note_name("a/b:c")


def test_snapshot_sees_models_and_their_sizes(tmp_path):
    manifest = tmp_path / "models/manifests" / manifest_path("llama3.2:1b")
    manifest.parent.mkdir(parents=True)
    manifest.write_text('{"config":{"size":5},"layers":[{"size": 3000000000},{"size":2}]}')
    models = models_in(str(tmp_path / "models"))
    assert models["llama3.2:1b"].size == 3000000007
    assert len(models["llama3.2:1b"].digest) == 64


def test_snapshot_of_a_host_without_models_is_empty(tmp_path):
    assert models_in(str(tmp_path / "none")) == {}
    assert "sha256sum" not in script(Look(), "n")
