"""Who is well, who is not, and why, from what hosts and servers said; and how that is shown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from llmrack.hosts.connection import Unreached
from llmrack.observe.providers.gateway_health import GatewayHealth, Rest
from llmrack.observe.status import view as status_view
from llmrack.observe.status.answers import HostAnswer, ServerAnswer
from llmrack.observe.status.judging import (
    elsewhere_status,
    gateway_status,
    instance_status,
    loaded_of,
)
from llmrack.observe.status.server_status import CardUse, Loaded, ModelInfo, ServerStatus, Status
from llmrack.stack.ollama.instances import instances
from llmrack.verify.causes import Trouble
from tests.unit.declare import host, stack

NOW = datetime(2026, 11, 21, 15, 25, 29, tzinfo=UTC)
BOX = host(ollama_bind="0.0.0.0", gateway_bind="0.0.0.0", gpu_required=True)
UNIT = {"ActiveState": "active", "SubState": "running", "NRestarts": "0"}
SERVICES = {
    "llmrack-ollama@main.service": UNIT,
    "llmrack-gateway.socket": UNIT,
    "llmrack-gateway@blue.service": UNIT | {"Id": "llmrack-gateway@blue.service"},
    "llmrack-gateway@green.service": {
        "Id": "llmrack-gateway@green.service",
        "ActiveState": "inactive",
        "SubState": "dead",
        "NRestarts": "0",
    },
}
CARD = {
    "uuid": "GPU-12345678",
    "name": "RTX",
    "use_percent": 97,
    "temperature": 70,
    "used_mib": 1024,
    "memory_mib": 24576,
}
MODELS = [{"name": "llama3.1:latest", "size": 7}, {"name": "nomic-embed-text:latest", "size": 8}]
SAID = {"version": "0.34.4", "latency": 0.002, "loaded": [], "models": MODELS}
WELL = [GatewayHealth("box1", {"box1": (), "cloud": ()})]
DEPLOY = "run: pyinfra inventory deploy.py"


def entry(on_gpu: int, name: str = "llama3.1:latest") -> dict[str, Any]:
    until = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()
    return {"name": name, "size": 100, "size_vram": on_gpu, "expires_at": until}


def seen(
    units: Mapping[str, Mapping[str, str]] | None = None,
    gateway: Mapping[str, Any] | None = None,
    **words: object,
) -> HostAnswer:
    return HostAnswer(
        {
            "units": SERVICES | dict(units or {}),
            "instances": {"box1": SAID | words},
            "cards": [CARD],
            "gateway": {"version": "1.106.2", "latency": 0.01} | dict(gateway or {}),
            "now": 1.0,
        },
        NOW,
    )


def instance(
    states: HostAnswer, health: list[GatewayHealth] = WELL, its_stack: Any = None
) -> ServerStatus:
    return instance_status(its_stack or stack(), BOX, instances(BOX)[0], states, health)


def test_an_instance_that_is_well_says_what_it_has() -> None:
    row = instance(seen(loaded=[entry(100)]))
    assert (row.name, row.kind, row.url) == ("box1", "ollama", "http://10.0.0.1:11434")
    assert (row.state, row.why, row.enabled, row.priority) == ("ok", "", True, 1)
    assert (row.version, row.latency, row.checked) == ("0.34.4", 0.002, NOW)
    assert row.cards == (CardUse("RTX", 97, 70, 1024, 24576),)
    assert (row.loaded[0].model, row.loaded[0].on_gpu) == ("llama3.1:latest", 1.0)


@pytest.mark.parametrize(
    ("states", "why"),
    [
        (
            seen(
                {"llmrack-ollama@main.service": UNIT | {"ActiveState": "x", "SubState": "failed"}}
            ),
            f"llmrack-ollama@main.service is failed; {DEPLOY}",
        ),
        (
            seen(error="Connection refused"),
            "Connection refused; see the journal of llmrack-ollama@main.service",
        ),
        (seen(models=MODELS[:1]), f"not there: nomic-embed-text:latest; {DEPLOY}"),
        (
            seen(loaded=[entry(0)]),
            "llama3.1:latest runs on the CPU; llmrack status --gpus may tell why",
        ),
        (
            seen(loaded=[entry(60)]),
            "llama3.1:latest is on the GPU with 60% of it; free its memory",
        ),
        (HostAnswer({}, NOW), f"there is no user 'llm' yet; {DEPLOY}"),
    ],
)
def test_an_instance_in_trouble_says_why_and_the_way_out(states: HostAnswer, why: str) -> None:
    row = instance(states)
    assert (row.state, row.why) == ("trouble", why)


def test_a_model_on_the_cpu_is_fine_where_no_gpu_is_required() -> None:
    box = host(gpu_required=False)
    row = instance_status(stack(), box, instances(box)[0], seen(loaded=[entry(0)]), WELL)
    assert row.state == "ok"


def test_a_model_that_may_be_split_is_fine_on_both() -> None:
    models = {"llama3.1:latest": {"provider": "local", "gpu_split": True}}
    its_stack = stack(models=models, chains={}, default_chain=[])
    assert instance(seen(loaded=[entry(60)]), its_stack=its_stack).state == "ok"


def test_what_a_gateway_has_put_aside_is_in_trouble_and_who_says_so_is_said() -> None:
    rest = Rest("", 12.3, "it answers 500")
    row = instance(seen(), [*WELL, GatewayHealth("box2", {"box1": (rest,)})])
    assert row.state == "trouble"
    assert row.why == "gateway box2: put aside 12 s ago: it answers 500"


def test_a_host_that_cannot_be_asked_leaves_its_rows_unknown() -> None:
    states = HostAnswer(Unreached("no connection: late"), NOW)
    rows = [instance(states), gateway_status(BOX, states)]
    assert [row.state for row in rows] == ["unknown", "unknown"]
    assert rows[0].why == "box1 could not be asked: no connection: late"


def test_an_instance_of_a_provider_that_is_not_enabled_is_off() -> None:
    providers = {"local": {"kind": "ollama", "group": "gpu", "enabled": False}}
    its_stack = stack(
        providers=providers | {"vllm": {"kind": "vllm", "url": "http://vllm:8000/v1"}}
    )
    row = instance(seen(error="Connection refused"), its_stack=its_stack)
    assert (row.state, row.enabled) == ("off", False)


def test_restarts_are_told_of_what_is_well() -> None:
    row = instance(seen({"llmrack-ollama@main.service": UNIT | {"NRestarts": "2"}}))
    assert (row.state, row.why) == ("ok", "systemd has restarted it 2 times")


def test_models_have_the_context_that_is_served() -> None:
    shown = {
        "model_info": {"llama.context_length": 131072},
        "capabilities": ["completion", "tools"],
    }
    baked = shown | {"parameters": "num_ctx                        4096"}
    listed = [
        {"name": "llama3.1:latest", "size": 7, "shown": shown},
        {"name": "other:latest", "size": 8, "shown": baked},
    ]
    assert instance(seen(models=listed)).models == (
        ModelInfo("llama3.1:latest", 8192, ("chat", "tools"), 7, True),
        ModelInfo("other:latest", 4096, ("chat", "tools"), 8, False),
    )


def test_a_gateway_that_is_well_has_version_and_latency() -> None:
    row = gateway_status(BOX, seen())
    assert (row.state, row.why, row.url) == ("ok", "", "http://10.0.0.1:4000")
    assert (row.version, row.latency, row.priority) == ("1.106.2", 0.01, None)


@pytest.mark.parametrize(
    ("states", "words"),
    [
        (
            seen({"llmrack-gateway@blue.service": SERVICES["llmrack-gateway@green.service"]}),
            "it does not run (llmrack-gateway@green.service is dead",
        ),
        (seen({"llmrack-gateway.socket": {"ActiveState": "failed"}}), "does not listen"),
        (
            seen(gateway={"error": "it answers 503"}),
            "it answers 503; see the journal of llmrack-gateway@blue.service",
        ),
    ],
)
def test_a_gateway_in_trouble_says_why(states: HostAnswer, words: str) -> None:
    row = gateway_status(BOX, states)
    assert row.state == "trouble"
    assert words in row.why


REFUSED = Trouble("key", "cloud refuses the key (401)", "give a valid one")


def elsewhere(
    heard: Mapping[str, ServerAnswer], health: list[GatewayHealth] = WELL
) -> ServerStatus:
    provider = stack().providers["cloud"]
    return elsewhere_status("cloud", provider, heard, health)  # type: ignore[arg-type]


def test_a_provider_that_answers_is_well() -> None:
    row = elsewhere({"box1": ServerAnswer(NOW, latency=0.2)})
    assert (row.state, row.why, row.latency, row.host) == ("ok", "", 0.2, None)


def test_a_provider_is_as_the_gateway_sees_it_that_fares_worst() -> None:
    heard = {
        "a": ServerAnswer(NOW, latency=0.2),
        "b": ServerAnswer(NOW, REFUSED),
        "c": ServerAnswer(NOW, latency=0.1),
    }
    row = elsewhere(heard)
    assert row.state == "trouble"
    assert row.why == "cloud refuses the key (401); give a valid one (asked from b)"


def test_a_provider_that_is_not_watched_is_tried_by_the_next_request() -> None:
    health = [GatewayHealth("box1", {"cloud": (Rest("", 12.3, "it answers 401"),)})]
    row = elsewhere({"box1": ServerAnswer(NOW)}, health)
    assert row.why == (
        "gateway box1: put aside 12 s ago: it answers 401; the next request tries it again"
    )


def test_a_gateway_that_cannot_be_asked_says_nothing_against_a_provider() -> None:
    lost = ServerAnswer(NOW, Unreached("no connection"))
    assert elsewhere({"a": lost, "b": ServerAnswer(NOW)}).state == "ok"
    assert elsewhere({"a": lost, "b": lost}).state == "unknown"


def test_a_provider_without_a_declared_model_is_in_trouble() -> None:
    row = elsewhere({"box1": ServerAnswer(NOW, missing=("stack.yaml: it does not list it",))})
    assert (row.state, row.why) == ("trouble", "stack.yaml: it does not list it")


@pytest.mark.parametrize(
    ("words", "until"),
    [
        ("2026-11-21T16:30:29.123456789+01:00", "2026-11-21T15:30:29Z"),
        ("2318-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        (None, None),
    ],
)
def test_when_a_model_is_unloaded_is_told_in_utc(words: str | None, until: str | None) -> None:
    (plain,) = loaded_of([{"name": "m", "size": 10, "size_vram": 5, "expires_at": words}])
    assert (plain.until, plain.on_gpu) == (until, 0.5)


def row(state: str = "ok", **changes: Any) -> ServerStatus:
    fields: dict[str, Any] = {
        **{"name": "box1", "kind": "ollama", "host": "box1", "url": "http://10.0.0.1:11434"},
        **{"enabled": True, "priority": 1, "state": state, "why": "", "version": "0.34.4"},
        **{"checked": NOW, "latency": 0.0021},
    }
    return ServerStatus(**fields | changes)


@pytest.mark.parametrize(
    ("states", "code"),
    [
        (("ok", "off"), 0),
        (("ok", "trouble", "unknown"), 1),
        (("ok", "unknown"), 2),
        ((), 0),
    ],
)
def test_the_exit_code_says_whether_all_is_well(states: tuple[str, ...], code: int) -> None:
    assert Status(tuple(map(row, states))).exit_code == code


def test_it_fits_80_columns_and_shows_everything() -> None:
    loaded = Loaded("llama3.1:latest", 4_900_000_000, 0.5, "2026-11-21T15:30:29Z")
    long = row(
        "trouble",
        name="a-host-with-a-long-name.example.org/instance",
        why="it answers 500; " * 9,
        loaded=(loaded,),
        cards=(CardUse("NVIDIA GeForce RTX 4090", 97, 70, 12288, 24576),),
        models=(ModelInfo("llama3.1:latest", 8192, ("chat",), 4_900_000_000, False),),
    )
    text = status_view.text(Status((long, row())))
    assert max(map(len, text.splitlines())) <= 80
    for words in (
        *("ollama", "trouble", "0.34.4", "2 ms", "15:25:29", "http://10.0.0.1:11434"),
        "loaded: llama3.1:latest, 4.9 GB, 50% GPU, until 15:30:29",
        "GPU: NVIDIA GeForce RTX 4090, 97% used, 70 °C, 12.0 of 24 GB",
        "model: llama3.1:latest, 8192 tokens, chat, 4.9 GB, not declared",
        "1 ok, 1 trouble; times are UTC, 2026-11-21",
    ):
        assert words in text
    assert " ".join(text.split()).count("it answers 500;") == 9


def test_programs_get_the_exit_code_and_every_field() -> None:
    plain = json.loads(status_view.as_json(Status((row("trouble"),))))
    assert plain["exit_code"] == 1
    assert plain["rows"][0]["checked"] == "2026-11-21T15:25:29.000Z"
    assert plain["rows"][0].keys() == row().__dict__.keys()


FOREIGN = ["*:11434", "812", "ollama", "ollama.service", "ollama"]
TAKEN = (
    "port 11434 is taken by ollama (process 812, ollama.service, user ollama): stop that (a deploy "
    "does if `replaces` names it), or set ollama_port to another port; "
)


def with_listeners(answer: HostAnswer, *listeners: list[str]) -> HostAnswer:
    assert not isinstance(answer.seen, Unreached)
    return HostAnswer({**answer.seen, "listeners": list(listeners)}, NOW)


def test_another_program_on_an_instance_s_port_is_named() -> None:
    units = {"llmrack-ollama@main.service": UNIT | {"ActiveState": "failed", "SubState": "failed"}}
    row = instance(with_listeners(seen(units, error="its unit does not run"), FOREIGN))
    assert row.why == f"{TAKEN}llmrack-ollama@main.service is failed; {DEPLOY}"


def test_it_is_named_on_a_host_before_its_first_deploy() -> None:
    row = instance(with_listeners(HostAnswer({}, NOW), FOREIGN))
    assert row.why == f"{TAKEN}there is no user 'llm' yet; {DEPLOY}"


def test_another_program_on_the_gateway_s_port_is_named() -> None:
    units = {name: {"Id": name, "ActiveState": "inactive"} for name in SERVICES}
    states = seen(units, {"error": "it does not run"})
    foreign = ["127.0.0.1:4000", "9", "python3", "session-4.scope", "ops"]
    row = gateway_status(BOX, with_listeners(states, foreign))
    assert row.why.startswith("port 4000 is taken by python3 (process 9, user ops): stop that")


def test_a_service_that_runs_again_though_it_was_replaced_is_named_once() -> None:
    states = seen()
    assert not isinstance(states.seen, Unreached)
    again = HostAnswer({**states.seen, "run_again": ["docker:ollama"]}, NOW)
    row = instance(again)
    assert (row.state, row.why) == (
        "trouble",
        "docker:ollama runs again, though llmrack serves in that place (`replaces`): a deploy "
        "stops it",
    )
    assert "runs again" not in gateway_status(BOX, again).why
    alone = HostAnswer({**states.seen, "instances": {}, "run_again": ["a.service", "b"]}, NOW)
    assert gateway_status(BOX, alone).why.startswith("a.service, b run again, though ")


def test_the_services_of_llmrack_are_no_other_programs() -> None:
    ours = ["*:11434", "8", "ollama", "llmrack-ollama@main.service", "llm"]
    row = instance(with_listeners(seen(error="it answers 500"), ours))
    assert row.why.startswith("it answers 500")
