"""Contract of the command line; holds for Ollama and the stand-in."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.contract.ollama_process import OllamaProcess, Remote, StartOllama

NOBODY = "127.0.0.1:9"


def rows(text: str) -> list[list[str]]:
    """The cells of a table; columns are four blanks apart."""
    return [re.split(r" {4,}", line.rstrip()) for line in text.splitlines()]


def test_version_names_the_server(ollama: OllamaProcess) -> None:
    version = ollama.get("/api/version")["version"]
    shown = ollama.run("-v")
    assert (shown.returncode, shown.stdout) == (0, f"ollama version is {version}\n")


def test_version_without_a_server_warns_and_succeeds(ollama: OllamaProcess) -> None:
    shown = ollama.run("--version", OLLAMA_HOST=NOBODY)
    version = ollama.get("/api/version")["version"]
    assert shown.returncode == 0
    assert shown.stdout == (
        "Warning: could not connect to a running Ollama instance\n"
        f"Warning: client version is {version}\n"
    )


@pytest.mark.parametrize("command", ["list", "ps"])
def test_command_without_a_server_fails(ollama: OllamaProcess, command: str) -> None:
    result = ollama.run(command, OLLAMA_HOST=NOBODY)
    assert result.returncode == 1
    assert "could not connect to ollama server, run 'ollama serve' to start it" in result.stderr


def test_serve_on_a_port_in_use_fails(ollama: OllamaProcess) -> None:
    result = ollama.run("serve")
    assert result.returncode == 1
    assert result.stderr.startswith("Error: listen tcp 127.0.0.1:")
    assert "bind: address already in use" in result.stderr


def test_list_shows_a_table(ollama: OllamaProcess) -> None:
    head, *models = rows(ollama.run("list").stdout)
    assert head == ["NAME", "ID", "SIZE", "MODIFIED"]
    tags = {model["name"]: model for model in ollama.get("/api/tags")["models"]}
    entry = tags["llama3.1:latest"]
    shown = {name: (digest, size) for name, digest, size, *_ in models}
    assert shown["llama3.1:latest"] == (entry["digest"][:12], f"{entry['size'] // 1000} KB")


def test_ps_shows_a_table(ollama: OllamaProcess) -> None:
    ollama.post("/api/generate", model="llama3.1", keep_alive="1h", options={"num_ctx": 512})
    head, *models = rows(ollama.run("ps").stdout)
    assert head == ["NAME", "ID", "SIZE", "PROCESSOR", "CONTEXT", "UNTIL"]
    (row,) = (row for row in models if row[0] == "llama3.1:latest")
    assert row[3] in ("100% GPU", "100% CPU")
    assert row[4] == "512"
    assert row[5] in ("About an hour from now", "59 minutes from now")


def test_ps_shows_a_model_that_stays_for_ever(ollama: OllamaProcess) -> None:
    ollama.post("/api/generate", model="llama3.1", keep_alive=-1)
    models = {row[0]: row for row in rows(ollama.run("ps").stdout)}
    assert models["llama3.1:latest"][5] == "Forever"


def test_pull_succeeds(start_ollama: StartOllama, remote: Remote) -> None:
    server = start_ollama()
    result = server.run("pull", "--insecure", remote("llama3.2"))
    assert result.returncode == 0
    assert "success" in result.stderr
    assert server.names() == {remote("llama3.2:latest")}


def test_pull_of_a_missing_model_fails(ollama: OllamaProcess, remote: Remote) -> None:
    result = ollama.run("pull", "--insecure", remote("nothing"))
    assert result.returncode == 1
    assert "Error: pull model manifest: file does not exist" in result.stderr


def test_show_shows_the_model(ollama: OllamaProcess) -> None:
    result = ollama.run("show", "llama3.1")
    assert result.returncode == 0
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["architecture", "llama"] in lines
    assert ["context", "length", "131072"] in lines
    assert ["Capabilities"] in lines
    assert ["tools"] in lines


def test_show_of_a_missing_model_fails(ollama: OllamaProcess) -> None:
    result = ollama.run("show", "nothing")
    assert result.returncode == 1
    assert "Error: model 'nothing:latest' not found" in result.stderr


def test_model_is_created_copied_and_removed(ollama: OllamaProcess, tmp_path: Path) -> None:
    modelfile = tmp_path / "Modelfile"
    modelfile.write_text(
        "# An assistant\n"
        "FROM llama3.1\n"
        'SYSTEM """You write code.\nWith care."""\n'
        "PARAMETER temperature 0.7\n"
        'PARAMETER stop "END"\n'
    )
    assert ollama.run("create", "assistant", "-f", str(modelfile)).returncode == 0
    shown = ollama.answer("/api/show", model="assistant")
    assert shown["system"] == "You write code.\nWith care."
    assert f"{'temperature':<30} 0.7" in shown["parameters"].splitlines()
    assert f'{"stop":<30} "END"' in shown["parameters"].splitlines()
    copied = ollama.run("cp", "assistant", "second")
    assert (copied.returncode, copied.stdout) == (0, "copied 'assistant' to 'second'\n")
    removed = ollama.run("rm", "assistant", "second")
    assert (removed.returncode, removed.stdout) == (0, "deleted 'assistant'\ndeleted 'second'\n")
    assert not {"assistant:latest", "second:latest"} & ollama.names()


def test_model_is_created_from_a_file(ollama: OllamaProcess, tmp_path: Path) -> None:
    modelfile = ollama.answer("/api/show", model="llama3.1")["modelfile"]
    source = next(line for line in modelfile.splitlines() if line.startswith("FROM "))
    (tmp_path / "tiny.gguf").write_bytes(Path(source.removeprefix("FROM ")).read_bytes())
    (tmp_path / "Modelfile").write_text("FROM ./tiny.gguf\n")
    result = ollama.run("create", "tiny", "-f", str(tmp_path / "Modelfile"))
    assert result.returncode == 0, result.stderr
    assert ollama.answer("/api/show", model="tiny")["details"]["family"] == "llama"


def test_modelfile_without_from_fails(ollama: OllamaProcess, tmp_path: Path) -> None:
    (tmp_path / "Modelfile").write_text("SYSTEM hello\n")
    result = ollama.run("create", "bad", "-f", str(tmp_path / "Modelfile"))
    assert result.returncode == 1
    assert "Error: no FROM line" in result.stderr


def test_stop_unloads(ollama: OllamaProcess) -> None:
    ollama.post("/api/generate", model="llava")
    assert ollama.run("stop", "llava").returncode == 0
    assert ollama.run("stop", "nothing").returncode == 1


def test_run_answers_a_prompt(ollama: OllamaProcess) -> None:
    result = ollama.run("run", "llama3.1", "hello")
    assert result.returncode == 0
    assert result.stdout.strip()
