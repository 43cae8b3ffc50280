"""What the program sees that looks at a host, of servers and commands that are made up here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from llmrack.shipped import program
from llmrack.shipped.host import status as status_script
from llmrack.shipped.host.cards import card
from llmrack.shipped.host.status import ask_gateway, ask_ollama, cards, look, unit_states

ACTIVE = {"ActiveState": "active"}
SHOWN = {
    "model_info": {"llama.context_length": 8192, "tokenizer.ggml.tokens": ["a"] * 100},
    "capabilities": ["completion"],
    "parameters": "num_ctx 4096",
    "license": "long",
}
ANSWERS: dict[str, object] = {
    "/api/version": {"version": "0.34.4"},
    "/api/tags": {"models": [{"name": "llama", "size": 7, "digest": "d"}]},
    "/api/ps": {"models": []},
    "/api/show": SHOWN,
    "/other/api/version": "hello",
    "/health/readiness": {"status": "healthy"},
}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        seen = ANSWERS.get(self.path)
        self.send_response(200 if seen else 500)
        self.end_headers()
        self.wfile.write(json.dumps(seen).encode())

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_an_ollama_says_its_version_and_models(url: str) -> None:
    seen = ask_ollama(url, ACTIVE, describe=False)
    assert seen["latency"] > 0
    assert (seen["version"], seen["models"]) == ("0.34.4", [{"name": "llama", "size": 7}])


def test_of_a_model_only_what_is_shown_is_carried_over(url: str) -> None:
    (model,) = ask_ollama(url, ACTIVE, describe=True)["models"]
    assert model["shown"] == {
        "model_info": {"llama.context_length": 8192},
        "capabilities": ["completion"],
        "parameters": "num_ctx 4096",
    }


@pytest.mark.parametrize(
    ("path", "error"),
    [("/nothing", "it answers 500"), ("/other", "another program answers there")],
)
def test_an_ollama_that_does_not_answer_as_it_should_says_so(
    url: str, path: str, error: str
) -> None:
    assert ask_ollama(url + path, ACTIVE, describe=False) == {"error": error}


def test_nobody_there_is_told_in_the_system_s_words() -> None:
    seen = ask_ollama("http://127.0.0.1:1", ACTIVE, describe=False)
    assert seen == {"error": "Connection refused"}


def test_an_ollama_whose_unit_does_not_run_is_not_asked() -> None:
    assert "does not run" in ask_ollama("http://127.0.0.1:1", {}, describe=False)["error"]


def test_a_gateway_that_does_not_run_is_not_started_by_asking(url: str, tmp_path: Path) -> None:
    units = {"llmrack-gateway@blue.service": {"ActiveState": "inactive"}}
    seen = ask_gateway({"url": url, "venv": str(tmp_path)}, units)
    assert seen == {"told": None, "version": None, "error": "it does not run"}


def test_a_gateway_that_runs_has_latency_and_version(url: str, tmp_path: Path) -> None:
    (tmp_path / "lib/python3.11/site-packages/litellm-1.106.2.dist-info").mkdir(parents=True)
    seen = ask_gateway(
        {"url": url, "venv": str(tmp_path)}, {"llmrack-gateway@blue.service": ACTIVE}
    )
    assert seen["version"] == "1.106.2"
    assert seen["latency"] > 0


def test_units_are_read_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    output = "NRestarts=2\nId=a.service\nActiveState=active\n\nId=b.service\nActiveState=failed\n"
    monkeypatch.setattr(status_script, "output", lambda command: output)
    seen = unit_states(["a.service", "b.service"])
    assert (seen["a.service"]["NRestarts"], seen["b.service"]["ActiveState"]) == ("2", "failed")


def test_cards_are_not_asked_for_without_their_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_script, "nvidia_cards", lambda: [card("GPU-1", "A", *"1234")])
    monkeypatch.setattr(Path, "exists", lambda path: False)
    assert cards() == []
    monkeypatch.setattr(Path, "exists", lambda path: str(path).startswith("/proc/driver/nvidia"))
    assert [each.uuid for each in cards()] == ["GPU-1"]


def test_it_runs_alone_with_the_library_of_python(url: str) -> None:
    question = {"instances": [], "gateway": None, "units": [], "models": False}
    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-", json.dumps(question)],
        input=program(status_script.__name__),
        capture_output=True,
        text=True,
        env={"PATH": os.defpath},
    )
    assert json.loads(ran.stdout).keys() == look(question).keys()
