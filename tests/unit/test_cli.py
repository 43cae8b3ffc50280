"""The command line, as far as it needs no host."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from llmrack import __version__
from llmrack.stack.schema import Stack
from tests import ROOT
from tests.lab.ways import COMMANDS, every_command
from tests.unit.declare import SHA, STACK

CANARIES = {
    "OLLAMA_API_KEY": "canary-of-ollama",
    "LITELLM_MASTER_KEY": "sk-canary-of-litellm",
}
INVENTORY = """\
_data = {"ollama_version": "0.34.4", "ollama_sha256": %r, "ollama_bind": "0.0.0.0"}
gpu = [
    ("box1", _data | {"ssh_hostname": "10.0.0.1"}),
    ("box2", _data | {"ssh_hostname": "10.0.0.2"}),
]
gateway = ["box1"]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of two hosts, and nothing in the environment that belongs to it."""
    monkeypatch.chdir(tmp_path)
    for name in CANARIES:
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "inventory").write_text(INVENTORY % SHA)
    (tmp_path / "stack.yaml").write_text(yaml.safe_dump(STACK, sort_keys=False))
    (tmp_path / ".env").write_text("".join(f"{k}={v}\n" for k, v in CANARIES.items()))
    (tmp_path / ".env").chmod(0o600)
    return tmp_path


def llmrack(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A process of its own: pyinfra changes sockets and threads of the one that imports it."""
    return subprocess.run(
        [Path(sys.executable).parent / "llmrack", *arguments],
        check=False,
        capture_output=True,
        text=True,
    )


def declare(folder: Path, **changes: Any) -> None:
    (folder / "stack.yaml").write_text(yaml.safe_dump(STACK | changes, sort_keys=False))


def test_check_finds_no_mistakes_and_exits_0(folder: Path) -> None:
    run = llmrack("check")
    assert run.returncode == 0
    assert run.stdout == "4 models of 3 providers on 2 hosts: no mistakes found\n"


def test_check_names_every_mistake_and_exits_1(folder: Path) -> None:
    declare(folder, default_chain=["gpt-oss:20b-clud"], chains={"coder": ["coder"]})
    run = llmrack("check")
    assert run.returncode == 1
    assert "did you mean 'gpt-oss:20b-cloud'?" in run.stdout
    assert "chains.coder: 'coder' has asked coder already" in run.stdout
    assert run.stdout.endswith("2 mistakes found\n")


def test_check_exits_2_without_an_inventory(folder: Path) -> None:
    run = llmrack("check", "-i", "nowhere")
    assert run.returncode == 2
    assert run.stderr == "there is no inventory 'nowhere': name it with --inventory\n"


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("gpu = [", "inventory:1: is not Python ('[' was never closed); mend it there"),
        (
            "import nonesuch",
            "inventory: fails with ModuleNotFoundError: No module named 'nonesuch'",
        ),
    ],
)
def test_check_says_what_is_wrong_with_an_inventory_that_does_not_run(
    folder: Path, text: str, cause: str
) -> None:
    (folder / "inventory").write_text(text)
    run = llmrack("check")
    assert (run.returncode, run.stderr) == (1, "")
    assert cause in run.stdout


def test_check_finds_an_empty_inventory_wrong(folder: Path) -> None:
    (folder / "inventory").write_text("")
    run = llmrack("check")
    assert run.returncode == 1
    assert "no host is in the group 'gateway'" in run.stdout


def test_check_tells_programs_the_same(folder: Path) -> None:
    assert json.loads(llmrack("check", "--json").stdout)["exit_code"] == 0
    (folder / ".env").write_text("")
    run = llmrack("check", "--json")
    report = json.loads(run.stdout)
    assert run.returncode == report["exit_code"] == 1
    (problem,) = report["problems"]
    assert problem["file"] == "stack.yaml" and problem["line"] > 0
    assert problem["where"] == "providers.cloud.api_key"
    run = llmrack("check", "--json", "-i", "nowhere")
    assert run.returncode == json.loads(run.stdout)["exit_code"] == 2


def test_graph_is_mermaid_unless_told_otherwise(folder: Path) -> None:
    run = llmrack("graph")
    assert run.returncode == 0
    assert run.stdout.startswith("flowchart LR\n")


def test_graph_can_be_a_drawing(folder: Path) -> None:
    run = llmrack("graph", "--format", "svg")
    assert run.returncode == 0
    assert run.stdout.startswith("<svg ") and run.stdout.endswith("</svg>\n")


def test_plan_shows_the_resources_of_each_host(folder: Path) -> None:
    run = llmrack("plan")
    assert run.returncode == 0
    first, second = run.stdout.split("box2 (10.0.0.2")
    assert first.startswith("box1 (10.0.0.1; gateway, gpu")
    assert "    Unit llmrack-gateway.socket\n" in first
    assert "    OllamaModel llama3.1:latest\n" in first and "OllamaModel llama3.1:latest" in second
    assert "llmrack-gateway" not in second and "  monitor: nothing\n" in second


def test_plan_shows_one_host_alone(folder: Path) -> None:
    assert "box1 (" not in llmrack("plan", "--host", "box2").stdout


def test_plan_names_the_hosts_when_one_is_unknown(folder: Path) -> None:
    run = llmrack("plan", "--host", "box9")
    assert run.returncode == 1
    assert "no host 'box9'; the inventory has box1, box2" in run.stderr


def test_plan_with_files_shows_them_and_no_secret(folder: Path) -> None:
    text = llmrack("plan", "--files").stdout
    assert "| OLLAMA_API_KEY=********" in text and "| ExecStart=" in text
    assert 'model_name: "coder"' in text
    assert not re.search("canary", text)


def test_plan_and_curl_say_in_a_sentence_what_is_missing(folder: Path) -> None:
    (folder / ".env").write_text("")
    for command in ("plan", "curl"):
        run = llmrack(command)
        assert run.returncode == 1
        assert "the secret OLLAMA_API_KEY is not set" in run.stderr
        run = llmrack(command, "-i", "nowhere")
        assert run.returncode == 1
        assert "there is no inventory 'nowhere'" in run.stderr


def test_curl_prints_a_line_without_the_key(folder: Path) -> None:
    text = llmrack("curl").stdout
    assert "http://127.0.0.1:4000/v1/chat/completions" in text
    assert "ssh -NL 4000:127.0.0.1:4000 10.0.0.1" in text
    assert "canary" not in text


def test_curl_prints_a_line_that_hands_the_key_to_curl(folder: Path) -> None:
    (folder / "inventory").write_text(
        (INVENTORY % SHA).replace('"ollama_bind"', '"gateway_bind": "0.0.0.0", "ollama_bind"')
    )
    line = llmrack("curl").stdout
    assert not line.startswith("#")
    seen = subprocess.run(
        ["sh", "-c", "curl() { cat; printf '%s\\n' \"$@\"; }; " + line],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert f'header = "Authorization: Bearer {CANARIES["LITELLM_MASTER_KEY"]}"\n' in seen
    assert '{"model": "llama3.1:latest", ' in seen


def test_curl_asks_for_a_model_that_somebody_serves(folder: Path) -> None:
    local = STACK["providers"]["local"] | {"enabled": False}  # type: ignore[index]
    models = {"v/*": {"provider": "vllm"}} | STACK["models"]  # type: ignore[operator]
    declare(folder, providers=STACK["providers"] | {"local": local}, models=models)  # type: ignore[operator]
    assert '{"model": "coder", ' in llmrack("curl").stdout


def test_schema_accepts_what_a_stack_may_hold() -> None:
    schema = json.loads(llmrack("schema").stdout)
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert set(schema["properties"]) == set(Stack.model_fields)
    assert schema["additionalProperties"] is False
    shipped = yaml.safe_load((ROOT / "stack.yaml").read_text())
    assert shipped.keys() <= schema["properties"].keys()
    (provider,) = schema["properties"]["providers"]["patternProperties"].values()
    kinds = provider["discriminator"]["mapping"]
    for declared in shipped["providers"].values():
        described = schema["$defs"][kinds[declared["kind"]].rpartition("/")[2]]
        assert declared.keys() <= described["properties"].keys()
        assert set(described["required"]) <= declared.keys()
    for declared in shipped["models"].values():
        assert declared.keys() <= schema["$defs"]["Model"]["properties"].keys()


def test_verify_exits_2_when_there_is_nothing_to_ask(folder: Path) -> None:
    run = llmrack("verify", "-i", "nowhere")
    assert run.returncode == 2
    assert run.stderr.endswith("nothing could be asked: see the messages above\n")


def test_help_names_every_command() -> None:
    text = llmrack("--help").stdout
    for command in ("check", "plan", "graph", "schema", "verify", "curl", "lab"):
        assert re.search(rf"^  {command} ", text, re.MULTILINE), command


def test_version_is_that_of_the_code_also_where_it_was_installed_before(folder: Path) -> None:
    assert llmrack("--version").stdout == f"llmrack, version {__version__}\n"


def test_every_command_is_tried_on_hosts_with_awkward_ways_in() -> None:
    assert set(COMMANDS) == every_command()
