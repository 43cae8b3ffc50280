"""Ollama that fails while it serves: killed, robbed of a model, given a damaged one, in a loop.

Hosts: a gateway on box1, Ollama on two others. Requests come from outside all the while, by
OpenAI's SDK without retries, plain and streamed.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from llmrack_lab.shell import wait_until
from tests.lab.engine_fleet import GATEWAY, MODEL, UNIT, Fleet
from tests.lab.faults.table import record
from tests.lab.load import Answer, Load, lost
from tests.lab.site import Run, Site

BROKEN, OTHER = "box2", "box3"
MODELS = "/home/llm/.ollama/models"
MANIFEST = f"{MODELS}/manifests/registry.ollama.ai/library/llama3.2/1b"
DROP_IN = f"/home/llm/.config/systemd/user/{UNIT}.d/own.conf"
# What docs/models.md gives for a damaged blob.
CHECK = (
    f'cd {MODELS}/blobs && for b in sha256-*; do echo "${{b#sha256-}}  $b"; done | '
    "sha256sum -c --quiet"
)
DEADLINE = 120


@pytest.fixture(scope="module")
def fleet(module_site: Site, fresh: Callable[[str], None]) -> Fleet:
    # So that it has no other models, damaged or not.
    fresh(BROKEN)
    made = Fleet(module_site, (BROKEN, OTHER))
    run = made.deploy("0.30.1", gateway_cooldown=1)
    assert run.code == 0, run.output
    return made


def well(fleet: Fleet) -> bool:
    """Whether the gateway has the broken host's Ollama answer."""
    answer = fleet.site.chat(GATEWAY, MODEL)
    return answer.headers["x-litellm-model-id"].startswith(f"{BROKEN}/")


def back(fleet: Fleet, since: float) -> float:
    """Seconds from ``since`` until the gateway uses the broken host again."""
    assert wait_until(lambda: well(fleet), DEADLINE)
    return time.monotonic() - since


def deployed(fleet: Fleet) -> tuple[Run, float]:
    """A deploy, and how long it took."""
    begun = time.monotonic()
    run = fleet.site.deployed()
    return run, time.monotonic() - begun


def weights(fleet: Fleet) -> str:
    """The largest blob of the model on the broken host."""
    named = f"$(grep -o 'sha256:[0-9a-f]*' {MANIFEST} | tr : -)"
    largest = fleet.site.on(BROKEN, f"cd {MODELS}/blobs && ls -S {named} | head -n 1")
    return f"{MODELS}/blobs/{largest}"


def in_words(answers: list[Answer]) -> str:
    broken_off = sum(each.is_broken_off for each in answers)
    return f"{len(answers)} requests: {broken_off} begun streams ended with an error, no other lost"


def only_broken_off(answers: list[Answer]) -> bool:
    return all(each.is_broken_off for each in answers if each.lost)


def test_ollama_killed_while_it_streams_costs_its_streams_and_comes_back(fleet: Fleet) -> None:
    before = fleet.pids()[BROKEN]
    with Load(fleet.site, rate=0) as load:
        load.wait_for(10)
        since = time.monotonic()
        fleet.site.as_service(BROKEN, f"systemctl --user kill -s KILL {UNIT}")
        took = back(fleet, since)
        load.wait_for(10)
    assert fleet.pids()[BROKEN] not in (before, "0")
    assert only_broken_off(load.answers), lost(load.answers)
    fleet.site.settled()
    record(
        "engine: kill -9 while it streams",
        "begun streams end with an error, all else is answered, it is back by itself",
        in_words(load.answers),
        took,
    )


def test_a_model_removed_underneath_is_answered_elsewhere_and_brought_back(fleet: Fleet) -> None:
    with Load(fleet.site) as load:
        fleet.site.on(BROKEN, f"rm {MANIFEST}")
        load.wait_for(20)
        run, took = deployed(fleet)
    assert f"OllamaModel {MODEL}: missing" in run.output
    assert lost(load.answers) == {}
    back(fleet, 0)
    fleet.site.settled()
    record(
        "engine: a model is removed underneath",
        "others answer; the next deploy brings it back",
        f"{len(load.answers)} requests, none lost; pulled again",
        took,
    )


@pytest.mark.parametrize(
    ("fault", "command"), [("cut short", "truncate -s 100"), ("missing", "rm")]
)
def test_a_blob_that_is_not_whole_is_seen_and_pulled_again(
    fleet: Fleet, fault: str, command: str
) -> None:
    blob = weights(fleet)
    fleet.site.on(BROKEN, f"{command} {blob}")
    run, took = deployed(fleet)
    assert "blobs are missing or of another size" in run.output
    assert weights(fleet) == blob
    assert fleet.site.on(BROKEN, CHECK) == ""
    fleet.site.settled()
    record(
        f"engine: a model's blob is {fault} on the disk",
        "the next deploy sees it and brings it back",
        "named in the plan, pulled again, whole by its digest",
        took,
    )


def test_a_blob_with_a_flipped_byte_is_named_by_its_digest_and_pulled_again(fleet: Fleet) -> None:
    blob = weights(fleet)
    fleet.site.on(BROKEN, f"printf X | dd of={blob} bs=1 seek=999 conv=notrunc status=none")
    # No look reads tens of gigabytes.
    fleet.site.settled()
    name = blob.rpartition("/")[2]
    assert f"{name}: FAILED" in fleet.site.on(BROKEN, CHECK, check=False)
    fleet.site.on(BROKEN, f"rm {blob}")
    _, took = deployed(fleet)
    assert fleet.site.on(BROKEN, CHECK) == ""
    fleet.site.settled()
    record(
        "engine: bytes of a model's blob change on the disk",
        "found by its digest; removed by hand, pulled by the next deploy",
        "no deploy notices by itself; the check of docs/models.md names the blob",
        took,
    )


def test_an_ollama_that_ends_again_and_again_is_left_alone_and_named(fleet: Fleet) -> None:
    loop = '[Service]\\nExecStart=\\nExecStart=/bin/sh -c "sleep 0.3; exit 3"\\n'
    with Load(fleet.site) as load:
        fleet.site.as_service(
            BROKEN,
            f"mkdir -p $(dirname {DROP_IN}); printf '{loop}' > {DROP_IN}; "
            f"systemctl --user daemon-reload; systemctl --user restart {UNIT}",
        )
        load.wait_for(20)
        status = fleet.site.run("llmrack", "status", "-i", fleet.site.inventory)
        run = fleet.site.deploy()
        load.wait_for(10)
        fleet.site.as_service(BROKEN, f"rm {DROP_IN}; systemctl --user daemon-reload")
        took = back(fleet, time.monotonic())
    assert status.code == 1, status.output
    assert UNIT in status.output
    assert run.code == 1, run.output
    assert f"[{BROKEN}] Unit {UNIT} failed: {UNIT} ends again and again" in run.output
    assert only_broken_off(load.answers), lost(load.answers)
    fleet.site.deployed()
    fleet.site.settled()
    record(
        "engine: it ends again and again",
        "others answer; status and deploy name it; it is back when its cause is gone",
        f"{in_words(load.answers)}; exit 1 with the journal's end",
        took,
    )
