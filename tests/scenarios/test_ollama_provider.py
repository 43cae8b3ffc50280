"""Scenario: a gateway's Ollama provider, on two hosts with two GPUs each.

What local models do on our own hosts, how requests are shared, and how they are counted.
"""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from llmrack.verify.probes import RED_PNG, WEATHER_TOOL
from llmrack_lab.gpus import pretence
from llmrack_lab.lab import Lab
from tests.lab.mixed_load import assert_counted, mixed_load, usage
from tests.lab.site import Site

HERE = Path(__file__).with_name("ollama_provider")
STACK: dict[str, Any] = yaml.safe_load((HERE / "stack.yaml").read_text())
HOSTS: dict[str, Any] = yaml.safe_load((HERE / "hosts.yaml").read_text())
GATEWAY, OTHER = "box3", "box4"
CHAT_MODELS = [
    name
    for name, model in STACK["models"].items()
    if model["provider"] == "local" and model.get("capabilities") != ["embedding"]
]
# Shares are exact over any run of requests, give or take the one that a run begins with.
MANY = 40
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}


@pytest.fixture(scope="module")
def boxes(module_site: Site, lab: Lab, fresh: Callable[[str], None]) -> Iterator[Site]:
    """Two bare boxes with two cards each."""
    for name in HOSTS["hosts"]:
        lab.host(name).set_gpus(2)
        fresh(name)
    yield module_site
    for name in HOSTS["hosts"]:
        lab.host(name).set_gpus(1)


@pytest.fixture(scope="module")
def site(boxes: Site) -> Site:
    """The scenario as declared, deployed on them."""
    boxes.declare(HOSTS["hosts"], STACK, **HOSTS["data"])
    boxes.deployed()
    return boxes


@pytest.fixture(scope="module")
def weighted(site: Site) -> Site:
    """The same, with three requests for the first host to one for the second."""
    site.own = {GATEWAY: {"ollama_weight": 3}}
    site.declare(HOSTS["hosts"], STACK, **HOSTS["data"])
    site.deployed()
    return site


@pytest.fixture(scope="module")
def per_gpu(site: Site) -> Site:
    """The same models with an instance a card, on the same hosts: its tests come last."""
    site.own = {}
    environment = {**HOSTS["data"]["ollama_environment"]}
    # Each instance has its own card.
    del environment["CUDA_VISIBLE_DEVICES"]
    data = {"ollama_environment": environment, "ollama_instances": "per-gpu"}
    site.declare(HOSTS["hosts"], STACK, **(HOSTS["data"] | data))
    site.deployed()
    return site


def ollama(site: Site, host: str, path: str, port: int = 11434) -> Any:
    """What an Ollama answers on its own host."""
    return json.loads(site.on(host, f"curl -fs 127.0.0.1:{port}{path}"))


def asked(site: Site, marker: str) -> dict[str, Any]:
    """The request with ``marker`` in it that some Ollama got; exactly one did."""
    found = [
        each["body"]
        for host in HOSTS["hosts"]
        for each in ollama(site, host, "/__standin__/requests")["requests"]
        if marker in json.dumps(each["body"])
    ]
    assert len(found) == 1, found
    body: dict[str, Any] = found[0]
    return body


def ask(site: Site, model: str, **body: object) -> tuple[httpx.Response, dict[str, Any]]:
    """An answer of the gateway, and what Ollama was asked for it."""
    marker = uuid.uuid4().hex
    messages = [{"role": "user", "content": f"Say hello to {marker}."}]
    answer = site.chat(GATEWAY, model, **({"messages": messages} | body))
    assert answer.status_code == 200, answer.text
    return answer, asked(site, marker)


def answered(site: Site, model: str) -> Counter[str]:
    """How many of ``MANY`` requests each instance answered."""
    answers = [site.chat(GATEWAY, model) for _ in range(MANY)]
    assert {answer.status_code for answer in answers} == {200}
    ids = [answer.headers["x-litellm-model-id"] for answer in answers]
    return Counter(each[: each.rindex("/")] for each in ids)


def assert_shares(found: Counter[str], **shares: float) -> None:
    """Each instance answered its share of the requests, all of them together everything."""
    assert set(found) == set(shares)
    for name, share in shares.items():
        assert abs(found[name] - share * MANY) <= 1, found


def test_the_declared_hosts_and_models_are_those_of_the_scenario() -> None:
    assert len(HOSTS["hosts"]) == 2
    assert {"llama3.2", "llava", "coding-assistant"} <= set(STACK["models"])


@pytest.mark.parametrize("model", CHAT_MODELS)
def test_a_local_model_answers_in_openais_form_with_usage_counts(site: Site, model: str) -> None:
    answer, _ = ask(site, model)
    body = answer.json()
    (choice,) = body["choices"]
    assert (body["object"], body["model"]) == ("chat.completion", model)
    assert choice["message"]["role"] == "assistant" and choice["message"]["content"]
    assert choice["finish_reason"] == "stop"
    usage = body["usage"]
    assert usage["prompt_tokens"] > 0 and usage["completion_tokens"] > 0
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_openai_parameters_reach_ollama(site: Site) -> None:
    answer, request = ask(site, "llama3.2", max_tokens=3, temperature=0.2, top_p=0.9)
    assert request["options"] == {"num_predict": 3, "temperature": 0.2, "top_p": 0.9}
    assert request["stream"] is False
    assert answer.json()["usage"]["completion_tokens"] == 3
    assert answer.json()["choices"][0]["finish_reason"] == "length"


def test_a_tool_reaches_ollama_and_its_call_comes_back(site: Site) -> None:
    answer, request = ask(site, "llama3.2", tools=[WEATHER_TOOL])
    assert request["tools"] == [WEATHER_TOOL]
    (call,) = answer.json()["choices"][0]["message"]["tool_calls"]
    assert call["function"]["name"] == "get_weather"
    assert isinstance(json.loads(call["function"]["arguments"]), dict)


def test_a_json_schema_reaches_ollama_as_its_format(site: Site) -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA}}
    answer, request = ask(site, "llama3.2", response_format=wanted)
    assert request["format"] == SCHEMA
    content = json.loads(answer.json()["choices"][0]["message"]["content"])
    assert isinstance(content["city"], str)


def test_a_stream_comes_in_pieces_with_usage_counts_at_its_end(site: Site) -> None:
    answer, request = ask(site, "llama3.2", stream=True, stream_options={"include_usage": True})
    assert request["stream"] is True
    lines = [line for line in answer.text.splitlines() if line]
    assert lines.pop() == "data: [DONE]"
    events = [json.loads(line.removeprefix("data: ")) for line in lines]
    assert {event["object"] for event in events} == {"chat.completion.chunk"}
    pieces = [
        c["delta"]["content"] for e in events for c in e["choices"] if c["delta"].get("content")
    ]
    assert len(pieces) > 3
    assert events[-1]["usage"]["completion_tokens"] > 0


def test_a_vision_model_gets_the_image_of_a_message(site: Site) -> None:
    marker = uuid.uuid4().hex
    content = [
        {"type": "text", "text": f"Which colour is {marker}?"},
        {"type": "image_url", "image_url": {"url": RED_PNG}},
    ]
    answer = site.chat(GATEWAY, "llava", messages=[{"role": "user", "content": content}])
    assert answer.status_code == 200, answer.text
    (message,) = asked(site, marker)["messages"]
    assert message["images"] == [RED_PNG.partition(",")[2]]


@pytest.mark.parametrize("host", HOSTS["hosts"])
def test_the_coding_assistant_is_made_as_its_modelfile_says(site: Site, host: str) -> None:
    body = json.dumps({"model": "coding-assistant"})
    shown = json.loads(site.on(host, f"curl -fs 127.0.0.1:11434/api/show -d '{body}'"))
    declared = STACK["models"]["coding-assistant"]["create"]
    assert shown["system"] == declared["system"]
    assert ["temperature", "0.7"] in [line.split() for line in shown["parameters"].splitlines()]


def test_an_embedding_model_gives_vectors_of_the_declared_length(site: Site) -> None:
    answer = httpx.post(
        f"http://{site.lab.host(GATEWAY).address}:4000/v1/embeddings",
        headers={"Authorization": f"Bearer {site.secrets['LITELLM_MASTER_KEY']}"},
        json={"model": "nomic-embed-text", "input": "hello"},
        timeout=30,
        trust_env=False,
    )
    assert len(answer.json()["data"][0]["embedding"]) == 768
    assert answer.json()["usage"]["prompt_tokens"] > 0


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer sk-wrong"}], ids=["no key", "wrong key"]
)
def test_the_gateways_key_is_needed(site: Site, headers: dict[str, str]) -> None:
    url = f"http://{site.lab.host(GATEWAY).address}:4000/v1/chat/completions"
    body = {"model": "llama3.2", "messages": [{"role": "user", "content": "Hello"}]}
    answer = httpx.post(url, headers=headers, json=body, timeout=30, trust_env=False)
    assert (answer.status_code, "choices" in answer.json()) == (401, False)


@pytest.mark.parametrize("host", HOSTS["hosts"])
def test_the_declared_environment_reaches_the_running_server(site: Site, host: str) -> None:
    found = site.environment_of(host, "llmrack-ollama@main.service")
    declared = HOSTS["data"]["ollama_environment"]
    assert {name: found[name] for name in declared} == {k: str(v) for k, v in declared.items()}


@pytest.mark.parametrize("host", HOSTS["hosts"])
def test_a_model_stays_loaded_for_a_day_on_the_gpus(site: Site, host: str) -> None:
    ask_it = json.dumps({"model": "llama3.2", "prompt": "Hello", "stream": False})
    site.on(host, f"curl -fs 127.0.0.1:11434/api/generate -d '{ask_it}'")
    (model,) = [
        each
        for each in ollama(site, host, "/api/ps")["models"]
        if each["name"] == "llama3.2:latest"
    ]
    left = datetime.fromisoformat(model["expires_at"]) - datetime.now(UTC)
    assert timedelta(hours=23) < left <= timedelta(hours=24)
    assert model["size_vram"] == model["size"]


@pytest.mark.parametrize("model", ["llama3.2", "coding-assistant"], ids=["weight", "round robin"])
def test_both_hosts_answer_half_of_the_requests(site: Site, model: str) -> None:
    assert_shares(answered(site, model), box3=0.5, box4=0.5)


def test_a_hybrid_gives_a_fifth_of_the_requests_to_the_cloud(site: Site) -> None:
    assert_shares(answered(site, "hybrid"), box3=0.4, box4=0.4, cloud=0.2)


def test_requests_tokens_and_latency_are_counted_although_local_models_are_free(
    site: Site,
) -> None:
    url, key = (
        f"http://{site.lab.host(GATEWAY).address}:4000/v1",
        site.secrets["LITELLM_MASTER_KEY"],
    )
    names = [*CHAT_MODELS, "hybrid"]
    assert_counted(site, lambda: mixed_load(url, key, names, ["nomic-embed-text"]))
    groups = {group["name"]: group for group in usage(site, "provider")["groups"]}
    local = groups["local"]
    assert local["cost"] == 0 and local["output_tokens"] > 0
    assert 0 < local["latency"]["p50"] <= local["latency"]["p95"] <= local["latency"]["p99"]
    instances = {group["name"] for group in usage(site, "instance")["groups"]}
    assert {GATEWAY, OTHER, "cloud"} <= instances


def test_the_gpus_of_both_hosts_are_shown(site: Site) -> None:
    run = site.run("llmrack", "status", "--gpus", "--json", "-i", site.inventory)
    found = {host["host"]: host for host in json.loads(run.output)["hosts"]}
    assert run.code == 0
    for name in HOSTS["hosts"]:
        assert found[name]["state"] == "fine"
        assert found[name]["uuids"] == sorted(card.uuid for card in pretence(name, 2).cards)
        assert all(card["memory_mib"] and card["used_mib"] for card in found[name]["cards"])


def test_a_second_run_changes_nothing(site: Site) -> None:
    site.settled()


def test_a_host_of_three_times_the_weight_answers_three_quarters(weighted: Site) -> None:
    assert_shares(answered(weighted, "llama3.2"), box3=0.75, box4=0.25)
    assert_shares(answered(weighted, "hybrid"), box3=0.6, box4=0.2, cloud=0.2)


def test_in_turn_means_in_turn_whatever_the_weight(weighted: Site) -> None:
    assert_shares(answered(weighted, "coding-assistant"), box3=0.5, box4=0.5)


def test_with_an_instance_a_card_all_four_share_the_requests(per_gpu: Site) -> None:
    every = {
        f"{host}/{card.uuid.removeprefix('GPU-')[:8]}"
        for host in HOSTS["hosts"]
        for card in pretence(host, 2).cards
    }
    assert_shares(answered(per_gpu, "llama3.2"), **dict.fromkeys(every, 0.25))


@pytest.mark.parametrize("host", HOSTS["hosts"])
def test_each_instance_has_its_card_and_the_models_on_it(per_gpu: Site, host: str) -> None:
    cards = sorted(card.uuid for card in pretence(host, 2).cards)
    for port, card in enumerate(cards, 11434):
        name = card.removeprefix("GPU-")[:8]
        found = per_gpu.environment_of(host, f"llmrack-ollama@{name}.service")
        assert found["CUDA_VISIBLE_DEVICES"] == card
        loaded = ollama(per_gpu, host, "/api/ps", port)["models"]
        assert loaded and all(model["size_vram"] == model["size"] for model in loaded)


def test_a_second_run_with_an_instance_a_card_changes_nothing(per_gpu: Site) -> None:
    per_gpu.settled()
