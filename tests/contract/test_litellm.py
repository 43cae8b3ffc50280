"""What the gateway's package and `llmrack verify` expect of LiteLLM; docs/litellm.md lists it all.

Points that tests of the gateway hold anyway are not tested twice: the page names those tests.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from bench.breakable import Breakable
from llmrack.components.monitor.monitor import metrics_key
from llmrack.secrets.value import Secret
from llmrack.stack.deployments import Deployment
from llmrack.stack.fleet import Host
from llmrack.stack.litellm_facts import FILE
from llmrack.stack.settings import Settings
from llmrack.verify.explain import explain
from llmrack.verify.probes import message_of
from tests.contract.litellm_probes import PROBES
from tests.lab.front import Front, breakable, provider
from tests.lab.gateway_process import KEY
from tools.providers import made

PROGRAM = Path(__file__).with_name("litellm_probes.py")
# Kinds of providers, by LiteLLM's prefix of a chat.
PREFIXES = {
    "openai": "openai-compatible",
    "hosted_vllm": "vllm",
    "ollama_chat": "ollama-remote",
}
METRICS = (
    "litellm_proxy_total_requests_metric_total",
    "litellm_request_total_latency_metric_bucket",
    "litellm_input_tokens_metric_total",
    "litellm_output_tokens_metric_total",
    "litellm_deployment_success_responses_total",
    "llmrack_instance_put_aside",
)


class World:
    """A gateway before one of each kind, and each of those by its prefix."""

    def __init__(self, front: Front, at: dict[str, Breakable]) -> None:
        self.front, self.at = front, at
        self.client: httpx.Client = front.process.client

    def post(self, path: str, **body: Any) -> httpx.Response:
        return self.client.post(path, json=body)


@pytest.fixture(scope="module")
def world(gateway_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with contextlib.ExitStack() as opened:
        at = {name: opened.enter_context(breakable(kind)) for name, kind in PREFIXES.items()}
        # Nobody proves in between that one is well again.
        providers = {
            name: provider(kind, at[name], health_check=False) for name, kind in PREFIXES.items()
        }
        models: dict[str, Any] = {
            name: {"provider": name, "model": "m"} for name in PREFIXES if name != "openai"
        }
        models["openai"] = {"provider": ["hosted_vllm", "openai"], "model": "m"}
        vectors = {"model": "embed", "capabilities": ["embedding"]}
        models["vectors"] = {"provider": ["hosted_vllm", "openai"], **vectors}
        models["any/*"] = {"provider": "openai"}
        stack = {"providers": providers, "models": models}
        monitor = Host("monitor", frozenset({"monitor"}), "127.0.0.1", Settings())
        folder = tmp_path_factory.mktemp("contract")
        front = opened.enter_context(Front(gateway_python, folder, stack, (monitor,)))
        yield World(front, at)
        print(front.process.log[-20_000:])


@pytest.fixture(scope="module")
def probed(world: World, gateway_python: Path) -> dict[str, str | None]:
    """What became of each probe; all in one process, since LiteLLM takes seconds to import."""
    process = world.front.process
    done = subprocess.run(
        [gateway_python, "-I", PROGRAM],
        env=process.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, str | None] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("probe", [probe.__name__ for probe in PROBES])
def test_point(probed: dict[str, str | None], probe: str) -> None:
    if reason := probed[probe]:
        pytest.fail(reason, pytrace=False)


def test_what_is_noted_of_providers_is_what_litellm_knows(gateway_python: Path) -> None:
    # Stale after another release of LiteLLM: `make lock` makes it anew.
    assert made(gateway_python) == FILE.read_text()


def test_no_ollama_is_asked_about_its_models(world: World) -> None:
    asked = world.at["ollama_chat"].provider.requests
    assert not [request for request in asked if request["path"] == "/api/show"]


def test_wildcards_are_listed_as_they_are_declared(world: World) -> None:
    listed = world.client.get("/v1/models?return_wildcard_routes=true").json()["data"]
    names = {each["id"] for each in listed}
    assert names >= {"hosted_vllm", "ollama_chat", "openai", "vectors", "any/*"}
    assert all(name.startswith("any/") for name in names - {*PREFIXES, "vectors"})


@pytest.mark.parametrize("provider", ["hosted_vllm", "openai"])
@pytest.mark.parametrize("asked", ["chat", "stream", "embedding"])
def test_a_deployment_is_asked_by_its_id(world: World, provider: str, asked: str) -> None:
    world.at[provider].mend()
    before = {name: len(at.asked()) for name, at in world.at.items()}
    if asked == "embedding":
        answer = world.post("/v1/embeddings", model=f"{provider}/vectors", input=["one"])
        assert answer.status_code == 200, answer.text
    else:
        outcome = world.front.ask(f"{provider}/openai", asked == "stream")
        assert outcome.whole, outcome.error
    others = {name: len(at.asked()) - before[name] for name, at in world.at.items()}
    assert others == dict.fromkeys(PREFIXES, 0) | {provider: 1}


def test_a_client_cannot_have_an_answer_made_up(world: World) -> None:
    outcome = world.front.ask("openai", mock_response="made up")
    assert "made up" not in outcome.text


@pytest.mark.parametrize("path", ["/metrics", "/metrics/"])
def test_metrics_need_a_key(world: World, path: str) -> None:
    url = world.front.process.url
    assert httpx.get(url + path, follow_redirects=True, trust_env=False).status_code == 401


def test_metrics_are_those_of_the_configuration(world: World) -> None:
    assert world.front.ask("hosted_vllm").whole
    key = metrics_key(Secret(KEY)).reveal()
    headers = {"Authorization": f"Bearer {key}"}
    answer = world.client.get("/metrics/", headers=headers)
    assert answer.status_code == 200, answer.text
    missing = [name for name in METRICS if name not in answer.text]
    assert not missing, answer.text[:2000]


@pytest.mark.parametrize(
    ("cause", "said"),
    [
        ("refused", "cannot connect to"),
        ("401", "refuses the key (401)"),
        ("missing", "does not know the model 'm' (404)"),
        ("429", "is overloaded or its quota is used up (429"),
        ("hang", "did not answer the gateway in time"),
    ],
)
@pytest.mark.parametrize("prefix", PREFIXES)
def test_an_error_is_explained(world: World, prefix: str, cause: str, said: str) -> None:
    at = world.at[prefix]
    name = f"{prefix}/{prefix}"
    one = Deployment(prefix, prefix, "m", prefix, at.url, prefix, f"{prefix}/m", "PROVIDER_KEY")
    at.fail(cause)
    try:
        outcome = world.front.ask(name)
    finally:
        at.mend()
    assert said in explain(outcome.status, message_of(outcome.error), [one]), outcome.error


def test_a_name_that_nobody_has_is_explained(world: World) -> None:
    outcome = world.front.ask("nobody")
    one = Deployment("nobody", "nobody", "m", "box1", "http://box1", "local", "openai/m", None)
    said = explain(outcome.status, message_of(outcome.error), [one])
    assert "does not know 'nobody'" in said, outcome.error
