"""LiteLLM's own settings take effect at a real gateway on loopback, and llmrack's promises hold."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from bench.breakable import Breakable
from llmrack.components.gateway.gateway import variables
from llmrack.site.client_keys import client_keys
from llmrack.stack.fleet import Fleet, Host
from llmrack.stack.schema import Stack
from llmrack.stack.settings import Settings
from llmrack_lab.shell import wait_until
from tests.lab.front import SECRET, SECRETS, Front, breakable, provider
from tests.lab.gateway_process import KEY, GatewayProcess
from tests.lab.keyed_front import issued, key

DEADLINE = 30.0
ADDRESS = "somebody@example.org"
GUARDRAIL: dict[str, Any] = {
    "guardrail_name": "no-addresses",
    "litellm_params": {
        "guardrail": "litellm_content_filter",
        "mode": "pre_call",
        "default_on": True,
        "patterns": [{"pattern_type": "prebuilt", "pattern_name": "email", "action": "BLOCK"}],
    },
}


class Collector:
    """Takes whatever is sent to it, such as traces, and keeps the bodies by path."""

    def __init__(self) -> None:
        self.bodies: list[tuple[str, bytes]] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                collector.bodies.append((self.path, self.rfile.read(length)))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture(scope="module", name="collector")
def _collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.server.shutdown()


@pytest.fixture(scope="module", name="up")
def _up() -> Iterator[Breakable]:
    with breakable("openai-compatible") as up:
        yield up


@pytest.fixture(scope="module", name="broken")
def _broken() -> Iterator[Breakable]:
    with breakable("openai-compatible") as broken:
        broken.fail("500")
        yield broken


@pytest.fixture(scope="module", name="frail")
def _frail() -> Iterator[Breakable]:
    with breakable("openai-compatible") as frail:
        yield frail


@pytest.fixture(scope="module")
def front(
    gateway_python: Path,
    tmp_path_factory: pytest.TempPathFactory,
    up: Breakable,
    broken: Breakable,
    frail: Breakable,
    collector: Collector,
) -> Iterator[Front]:
    stack: dict[str, Any] = {
        "providers": {
            "good": provider("openai-compatible", up),
            "bad": provider("openai-compatible", broken),
            "frail": provider("openai-compatible", frail, health_check=True),
        },
        "models": {
            "m": {"provider": "good"},
            "other": {"provider": "good"},
            "backed": {"provider": "bad", "model": "m"},
            "frail": {"provider": "frail", "model": "m"},
        },
        "chains": {"backed": ["other"]},
        "keys": {"chatty": {"models": ["m", "backed"]}},
        "litellm": {
            "environment_variables": {
                "OTEL_EXPORTER": "otlp_http",
                "OTEL_ENDPOINT": collector.url,
            },
            "litellm_settings": {
                "callbacks": ["otel"],
                "cache": True,
                "cache_params": {"type": "local", "ttl": 600},
            },
            "general_settings": {
                "pass_through_endpoints": [
                    {
                        "path": "/lists",
                        "target": f"{up.url}/v1/models",
                        "headers": {"Authorization": "Bearer os.environ/PROVIDER_KEY"},
                        "auth": True,
                    }
                ]
            },
            "guardrails": [GUARDRAIL],
            "mcp_servers": {"tools": {"url": f"{collector.url}/mcp", "transport": "http"}},
        },
    }
    keys = client_keys(Stack.model_validate(stack), issued(["chatty"]))
    folder = tmp_path_factory.mktemp("gateway")
    with Front(gateway_python, folder, stack, client_keys=keys) as front:
        yield front


def say(
    front: Front, words: str, model: str = "m", shown: str = KEY, **body: object
) -> httpx.Response:
    headers = {"Authorization": f"Bearer {shown}"}
    if body.pop("fresh", False):
        headers["Cache-Control"] = "no-cache"
    return httpx.post(
        f"{front.process.url}/v1/chat/completions",
        headers=headers,
        json={"model": model, "messages": [{"role": "user", "content": words}], **body},
        trust_env=False,
        timeout=60,
    )


def times(up: Breakable, words: str) -> int:
    return sum(words in str(request) for request in up.asked())


def test_a_cache_answers_a_second_time(front: Front, up: Breakable) -> None:
    words = "What is the same twice?"
    answers = [say(front, words) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json()["choices"] == answers[1].json()["choices"]
    assert times(up, words) == 1


def test_a_cache_streams_a_second_time(front: Front, up: Breakable) -> None:
    words = "What is streamed twice?"
    answers = [say(front, words, stream=True) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert all("whatever" in answer.text for answer in answers), answers[1].text
    assert times(up, words) == 1


def test_a_proof_goes_past_the_cache(front: Front, up: Breakable) -> None:
    words = "What must be asked each time?"
    for _ in range(2):
        # As llmrack/verify/probes.py asks.
        assert say(front, words, fresh=True).status_code == 200
    assert times(up, words) == 2
    assert say(front, words).status_code == 200
    assert times(up, words) == 3


def test_the_cache_does_not_hide_a_failure(front: Front, frail: Breakable) -> None:
    def proofs() -> int:
        return len(frail.asked(own=True))

    def proves(before: int) -> bool:
        return wait_until(lambda: proofs() > before, DEADLINE)

    for turn in range(2):
        before = proofs()
        frail.fail("500")
        assert say(front, f"Who fails in turn {turn}?", "frail").is_error
        # The gateway's own short request reaches it each time.
        assert proves(before)
        frail.mend()
        assert proves(proofs())
        words = f"Who is well in turn {turn}?"
        assert wait_until(lambda words=words: say(front, words, "frail").is_success, DEADLINE)


def test_a_guardrail_refuses_and_blames_nobody(front: Front, up: Breakable) -> None:
    refused = say(front, f"Write to {ADDRESS}.")
    assert refused.status_code in (400, 403), refused.text
    assert times(up, ADDRESS) == 0
    assert say(front, "Say something after that.").status_code == 200


def test_an_endpoint_passes_through_with_a_secret(front: Front) -> None:
    answer = front.process.client.get("/lists")
    assert answer.status_code == 200, answer.text
    assert "m" in {row["id"] for row in answer.json()["data"]}
    config = (front.process.folder / "config.yaml").read_text()
    assert SECRET not in config


@pytest.mark.parametrize(
    ("shown", "status"), [("", 401), ("sk-nobodys", 401), (key("chatty"), 403)]
)
@pytest.mark.parametrize("path", ["/lists", "/v1/mcp/server", "/guardrails/list"])
def test_only_the_gateways_own_key_opens_what_asks_no_model(
    front: Front, path: str, shown: str, status: int
) -> None:
    headers = {"Authorization": f"Bearer {shown}"} if shown else {}
    answer = httpx.get(f"{front.process.url}{path}", headers=headers, trust_env=False)
    assert answer.status_code == status, answer.text


def test_mcp_needs_a_key(front: Front) -> None:
    for headers in ({}, {"Authorization": "Bearer sk-nobodys"}):
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
        accepted = headers | {"Accept": "application/json, text/event-stream"}
        answer = httpx.post(
            f"{front.process.url}/mcp/", headers=accepted, json=body, trust_env=False
        )
        assert answer.status_code in (401, 403), answer.text


def test_keys_hold(front: Front) -> None:
    assert say(front, "Whose is this?", "other", key("chatty")).status_code == 403
    assert say(front, "Whose is this?", "m", "sk-nobodys").status_code == 401
    assert say(front, "Whose is this?", "m", key("chatty")).status_code == 200


def test_a_chain_is_followed(front: Front, up: Breakable) -> None:
    words = "Who stands in?"
    answer = say(front, words, "backed")
    assert answer.status_code == 200
    assert answer.headers["x-litellm-model-id"] == "good/other"
    assert times(up, words) == 1


def test_traces_are_sent_and_hold_nothing_that_was_said(front: Front, collector: Collector) -> None:
    words = "What must nobody read?"
    assert say(front, words).status_code == 200
    assert wait_until(
        lambda: any(path == "/v1/traces" and b"litellm" in body for path, body in collector.bodies),
        DEADLINE,
    )
    sent = b"".join(body for _, body in collector.bodies)
    assert words.encode() not in sent
    assert SECRET.encode() not in sent
    assert SECRETS["OTHER_KEY"].encode() not in sent


def test_the_log_holds_nothing_that_was_said(front: Front) -> None:
    words = "What is in no log?"
    assert say(front, words).status_code == 200
    assert words not in front.process.log
    assert SECRET not in front.process.log


def gated(python: Path, folder: Path, litellm: dict[str, Any], up: Breakable) -> tuple[int, str]:
    """What the gate says of a release with these settings, and its exit status."""
    stack = Stack.model_validate(
        {
            "providers": {"good": provider("openai-compatible", up)},
            "models": {"m": {"provider": "good"}},
            "litellm": litellm,
        }
    )
    host = Host("gateway", frozenset({"gateway"}), "127.0.0.1", Settings())
    gateway = GatewayProcess(python, folder, stack, Fleet((host,)), SECRETS)
    gateway.client.close()
    (folder / "litellm.env").write_text(variables(stack, host))
    done = subprocess.run(
        [python, "-I", folder / "gate.py", folder / "config.yaml"],
        env={**os.environ, "LITELLM_MASTER_KEY": KEY, **SECRETS},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    return done.returncode, done.stdout + done.stderr


def test_the_gate_lets_good_settings_pass(
    gateway_python: Path, tmp_path: Path, up: Breakable
) -> None:
    litellm = {
        "litellm_settings": {"callbacks": ["langfuse_otel", "langfuse"]},
        "environment_variables": {
            "LANGFUSE_PUBLIC_KEY": "pk-lf-1",
            "LANGFUSE_SECRET_KEY": "os.environ/OTHER_KEY",
            "LANGFUSE_HOST": "http://127.0.0.1:9",
        },
        "guardrails": [GUARDRAIL],
    }
    status, printed = gated(gateway_python, tmp_path, litellm, up)
    assert (status, printed) == (0, "")


@pytest.mark.parametrize(
    ("litellm", "reasons"),
    [
        # Its address and its key are missing.
        (
            {"litellm_settings": {"callbacks": ["datadog"]}},
            ["cannot start the callbacks ['datadog']", "DD_API_KEY"],
        ),
        # Its package is in no gateway.
        (
            {"litellm_settings": {"callbacks": ["mlflow"]}},
            ["cannot start the callbacks ['mlflow']", "mlflow"],
        ),
        (
            {
                "guardrails": [
                    {
                        "guardrail_name": "odd",
                        "litellm_params": {"guardrail": "no_such_kind", "mode": "pre_call"},
                    }
                ]
            },
            ["without the guardrails ['odd']", "no_such_kind"],
        ),
        (
            {"litellm_settings": {"callbacks": ["langfuse_otl"]}},
            [
                "callbacks[2]: 'langfuse_otl' is no callback of LiteLLM",
                "did you mean langfuse_otel?",
            ],
        ),
        # LiteLLM would install its package by pip.
        (
            {"litellm_settings": {"success_callback": ["sentry"]}},
            ["success_callback[0]: 'sentry' needs the Python package sentry_sdk"],
        ),
        (
            {"litellm_settings": {"cach": True}},
            ["litellm_settings.cach: is not known to LiteLLM", "did you mean cache?"],
        ),
        (
            {"guardrail": [GUARDRAIL]},
            ["guardrail: is not known to LiteLLM", "did you mean guardrails?"],
        ),
    ],
    ids=["settings", "package", "guardrail", "callback", "pip", "setting", "section"],
)
def test_the_gate_names_what_would_be_left_out(
    gateway_python: Path,
    tmp_path: Path,
    up: Breakable,
    litellm: dict[str, Any],
    reasons: list[str],
) -> None:
    status, printed = gated(gateway_python, tmp_path, litellm, up)
    assert status == 1
    for reason in reasons:
        assert reason in printed
    assert "Traceback" not in printed
