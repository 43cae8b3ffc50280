"""Agents and SDKs as the registries have them, set up by `llmrack client` alone."""

from __future__ import annotations

import contextlib
import json
import platform
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from llmrack.site.client_keys import client_keys
from llmrack.stack.fleet import Fleet, Host
from llmrack.stack.schema import Stack
from llmrack.stack.settings import Settings
from llmrack_lab.shell import wait_until
from tests import DEADLINE
from tests.lab.agent_programs import MACHINE, Home, agent_programs
from tests.lab.dialects import CITY, MARK
from tests.lab.front import Front, breakable, provider
from tests.lab.keyed_front import issued, key
from tests.lab.ollama_boxes import host_of, ollama_boxes

CONTEXT = 65536
MODELS: dict[str, dict[str, Any]] = {
    "coder": {"provider": "local", "model": "llama3.1:latest", "capabilities": ["chat", "tools"]},
    "thinker": {
        "provider": "local",
        "model": "qwen3:latest",
        "capabilities": ["chat", "tools", "thinking"],
    },
    "fast": {"provider": "vllm", "model": "m", "capabilities": ["chat", "tools"]},
    "paid": {"provider": "paid", "model": "m", "capabilities": ["chat", "tools"]},
    "embed": {
        "provider": "local",
        "model": "nomic-embed-text:latest",
        "capabilities": ["embedding"],
    },
}
WRITTEN = "by a tool\n"


@dataclass(frozen=True)
class Program:
    """How one is asked without a terminal.

    + command: of it; "PROMPT" stands for what it is asked, otherwise that is on its input
    + tool: that writes a file, and its arguments; None where it has no tools
    + elsewhere: whom it tries to reach beside the gateway
    """

    command: tuple[str, ...]
    tool: tuple[str, dict[str, Any]] | None
    elsewhere: frozenset[str] = field(default=frozenset())

    def ask(self, home: Home, prompt: str) -> str:
        words = [prompt if word == "PROMPT" else word for word in self.command]
        return home.run(*words, says="" if "PROMPT" in self.command else prompt)


SHELL = f"printf '{WRITTEN.strip()}\\n' > made.txt"
PROGRAMS = {
    "claude-code": Program(
        ("claude", "-p", "PROMPT", "--allowedTools", "Write"),
        ("Write", {"file_path": "WORK/made.txt", "content": WRITTEN}),
    ),
    "codex": Program(
        ("codex", "exec", "--strict-config", "--skip-git-repo-check",
         "--sandbox", "danger-full-access", "PROMPT"),
        ("exec_command", {"cmd": SHELL}),
    ),
    "opencode": Program(
        ("opencode", "run"),
        ("bash", {"command": SHELL, "description": "Write"}),
        # For its plugins.
        frozenset({"registry.npmjs.org:443"}),
    ),
    "cline": Program(
        ("cline", "PROMPT"),
        ("run_commands", {"commands": [SHELL]}),
        # Telemetry, and what switches features on and off.
        frozenset({"otel.cline.bot:443", "data.cline.bot:443"}),
    ),
    "aider": Program(
        ("aider", "--yes-always", "--no-git", "--message", "PROMPT"),
        None,
        # A list of prices.
        frozenset({"raw.githubusercontent.com:443"}),
    ),
}  # fmt: skip
WITH_TOOLS = [name for name, program in PROGRAMS.items() if program.tool]


@dataclass
class World:
    """A gateway whose client has a key of its own, and what is declared there."""

    front: Front
    fleet: Fleet
    providers: dict[str, Any]

    def stack(self, first: str) -> Stack:
        """What is declared, with the model first that shall be asked."""
        models = {first: MODELS[first], **MODELS}
        return Stack.model_validate(declared(self.providers, models))

    def asked(self, home: Home, name: str, prompt: str) -> tuple[str, list[dict[str, Any]]]:
        """What a program shows, and what the log has of it.

        Nothing that it sends is refused, nobody fails because of it, and it asks nobody else.
        """
        before = len(self._lines())
        said = PROGRAMS[name].ask(home, prompt)
        # The log's lines come a little later.
        assert wait_until(lambda: len(self._lines()) > before, DEADLINE)
        new = self._lines()[before:]
        assert [line for line in new if line["status"] != 200 or line["attempts"]] == []
        assert home.elsewhere.asked <= PROGRAMS[name].elsewhere
        return " ".join(said.split()), new

    def _lines(self) -> list[dict[str, Any]]:
        log = Path(self.front.process.folder / "requests.jsonl")
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def declared(providers: dict[str, Any], models: dict[str, Any]) -> dict[str, Any]:
    aliases = {"claude-*": "coder"}
    return {"providers": providers, "models": models, "aliases": aliases, "keys": {"agent": {}}}


@pytest.fixture(scope="module")
def world(gateway_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("agents")
    names = [each["model"] for each in MODELS.values() if each["provider"] == "local"]
    length = {"OLLAMA_CONTEXT_LENGTH": str(CONTEXT)}
    with contextlib.ExitStack() as opened:
        for name in ("boxes", "gateway"):
            (folder / name).mkdir()
        boxes = opened.enter_context(ollama_boxes(folder / "boxes", names, ("box1",), **length))
        kinds = {"vllm": "vllm", "paid": "openai-compatible"}
        providers = {
            name: provider(kind, opened.enter_context(breakable(kind)))
            for name, kind in kinds.items()
        }
        providers["local"] = {"kind": "ollama"}
        hosts = [host_of(name, box, ollama_environment=length) for name, box in boxes.items()]
        stack = declared(providers, MODELS)
        known = client_keys(Stack.model_validate(stack), issued(["agent"]), [])
        front = opened.enter_context(
            Front(gateway_python, folder / "gateway", stack, tuple(hosts), known)
        )
        settings = Settings(gateway_port=int(front.process.url.rpartition(":")[2]))
        gateway = Host("gateway", frozenset({"gateway"}), "127.0.0.1", settings)
        yield World(front, Fleet((gateway, *hosts)), providers)
        print(front.process.log[-20_000:])


@pytest.fixture(scope="session")
def programs() -> Path:
    if platform.machine() != MACHINE:
        pytest.skip(f"the programs are pinned for {MACHINE}")
    return agent_programs()


@pytest.fixture
def home(world: World, programs: Path, tmp_path: Path) -> Iterator[Home]:
    variables = {
        "LLMRACK_API_KEY": key("agent"),
        "OPENAI_API_KEY": key("agent"),
        "OPENCODE_DISABLE_MODELS_FETCH": "1",
    }
    with Home(tmp_path, programs, variables) as made:
        yield made


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_shows_an_answer(world: World, home: Home, name: str) -> None:
    home.configure(name, world.stack("coder"), world.fleet)
    said, lines = world.asked(home, name, "Say hello. [call nothing {}]")
    assert "This is a canned answer" in said
    assert all(line["stream"] for line in lines)


@pytest.mark.parametrize("model", ["coder", "thinker", "fast", "paid"])
@pytest.mark.parametrize("name", WITH_TOOLS)
def test_a_program_carries_out_a_tool_and_goes_on(
    world: World, home: Home, name: str, model: str
) -> None:
    home.configure(name, world.stack(model), world.fleet)
    tool, arguments = PROGRAMS[name].tool or ("", {})
    written = json.dumps(arguments).replace("WORK", str(home.work))
    said, lines = world.asked(home, name, f"Write the file. [call {tool} {written}]")
    assert (home.work / "made.txt").read_text() == WRITTEN, said
    assert ("canned answer to the tool" if model in ("coder", "thinker") else "stand-in") in said
    assert {line["served"] for line in lines} == {model}
    assert len(lines) > 1


def test_codex_shows_what_a_model_thinks(world: World, home: Home) -> None:
    home.configure("codex", world.stack("thinker"), world.fleet)
    more = ("-c", "model_reasoning_effort=high", "-c", "model_reasoning_summary=auto")
    *command, prompt = PROGRAMS["codex"].command
    said = Program((*command, *more, prompt), None).ask(home, "Say hello. [call nothing {}]")
    assert "Thinking (" in said


# SDKs


@pytest.mark.parametrize("script", ["anthropic_sdk.py", "anthropic_sdk.mjs"])
@pytest.mark.parametrize("model", ["coder", "paid"])
def test_anthropics_sdk(world: World, home: Home, script: str, model: str) -> None:
    home.configure("claude-code", world.stack(model), world.fleet)
    program = "python" if script.endswith(".py") else "node"
    found = json.loads(home.run(program, home.script(script), MARK))
    assert found.pop("count") > 0
    check(found)


@pytest.mark.parametrize("model", ["coder", "fast"])
def test_openais_sdk_for_node(world: World, home: Home, model: str) -> None:
    home.configure("env", world.stack(model), world.fleet)
    found = json.loads(home.run("node", home.script("openai_sdk.mjs"), model, MARK))
    assert found.pop("response") == ["get_weather", CITY]
    assert found.pop("last").startswith("[")
    check(found)


def check(found: dict[str, Any]) -> None:
    assert found.pop("call") == ["get_weather", CITY]
    assert "temperature must be a number of at least 0" in found.pop("refusal")
    assert all(text.startswith("[") for text in found.values())


def test_what_llmrack_client_prints_for_node_and_python_runs(world: World, home: Home) -> None:
    stack = world.stack("coder")
    file = home.configure("node", stack, world.fleet)
    said = home.run("node", file)
    assert "canned answer" in said
    assert "768 dimensions" in said
    script = home.configure("python", stack, world.fleet)
    assert "768 dimensions" in home.run("python", script)
