"""What runs beside Ollama in a cluster's pods (templates/kube), on a server of our own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from llmrack.kube.ollama.modelfile import modelfile
from llmrack.stack.models import Model
from tests.contract.ollama_process import OllamaProcess, StartOllama

SCRIPTS = Path(__file__).parents[2] / "templates" / "kube" / "ollama"
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def lists(tmp_path: Path) -> Path:
    """The folder that pods have as ``/etc/llmrack/models``."""
    folder = tmp_path / "lists"
    folder.mkdir()
    for script in ("has-models.sh", "load-models.sh"):
        (folder / script).write_text((SCRIPTS / script).read_text())
    return folder


@pytest.fixture
def run(lists: Path) -> Run:
    """Runs a script in the environment of a server."""

    def run_script(script: str, server: OllamaProcess) -> subprocess.CompletedProcess[str]:
        environment = server.environment | {
            "PATH": f"{server.program.parent}:{os.environ['PATH']}",
        }
        return subprocess.run(
            ["/bin/sh", lists / script],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    return run_script


@pytest.fixture
def stopped(start_ollama: StartOllama, remote: Callable[[str], str]) -> OllamaProcess:
    """A server that has llama3.2 and has ended: its models and its address are there."""
    server = start_ollama()
    server.answer("/api/pull", model=remote("llama3.2"), insecure=True)
    server.post("/api/copy", source=remote("llama3.2"), destination="llama3.2").raise_for_status()
    server.stop()
    return server


def again(server: OllamaProcess, start_ollama: StartOllama) -> OllamaProcess:
    return start_ollama(Path(server.environment["HOME"]))


def test_models_that_are_there_are_not_asked_for(
    lists: Path, run: Run, stopped: OllamaProcess
) -> None:
    (lists / "list").write_text("pull llama3.2\n")
    done = run("load-models.sh", stopped)
    assert (done.returncode, done.stdout) == (0, "all models are there\n"), done.stderr


def test_a_model_that_cannot_be_pulled_is_named_with_the_way_out(
    lists: Path, run: Run, stopped: OllamaProcess
) -> None:
    (lists / "list").write_text("pull localhost:1/library/nothing\n")
    done = run("load-models.sh", stopped)
    assert done.returncode == 1
    said = done.stderr.splitlines()[-1]
    assert said.startswith("localhost:1/library/nothing: pulling it failed: ")
    assert "connection refused" in said.lower()
    assert said.endswith("; see the models in stack.yaml")


def test_a_model_is_made_once_and_again_when_what_decides_it_changes(
    lists: Path, run: Run, stopped: OllamaProcess, start_ollama: StartOllama
) -> None:
    model = Model.model_validate(
        {
            "provider": "local",
            "create": {
                "from": "llama3.2",
                "system": 'Say "ok".\nNothing else.',
                "parameters": {"temperature": 0.5, "stop": ["a", "b c"]},
            },
        }
    )
    assert model.create
    (lists / "modelfile-0").write_text(modelfile(model.create))
    (lists / "list").write_text("create assistant modelfile-0 one\n")
    first, second = run("load-models.sh", stopped), run("load-models.sh", stopped)
    assert first.returncode == second.returncode == 0, first.stderr + second.stderr
    assert "assistant: making" in first.stdout and "assistant: making" not in second.stdout
    (lists / "list").write_text("create assistant modelfile-0 two\n")
    assert "assistant: making" in run("load-models.sh", stopped).stdout
    shown = again(stopped, start_ollama).answer("/api/show", model="assistant")
    assert shown["system"] == 'Say "ok".\nNothing else.'
    parameters = [line.split(None, 1) for line in shown["parameters"].splitlines()]
    assert ["temperature", "0.5"] in parameters
    assert sum(name == "stop" for name, _ in parameters) == 2


def test_a_pod_is_ready_when_it_has_every_model(
    lists: Path, run: Run, stopped: OllamaProcess, start_ollama: StartOllama
) -> None:
    server = again(stopped, start_ollama)
    (lists / "list").write_text("pull llama3.2:latest\n")
    assert run("has-models.sh", server).returncode == 0
    (lists / "list").write_text("pull llama3.2:latest\npull llama3.1:latest\n")
    done = run("has-models.sh", server)
    assert (done.returncode, done.stdout) == (1, "the model llama3.1:latest is not there\n")
