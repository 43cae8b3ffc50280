"""The GPUs of a fleet: who is fine, who is not, who could not be asked; and how that is shown."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from llmrack.components.gpu.gpus import gpus
from llmrack.hosts.connection import Unreached
from llmrack.observe.status.gpus import HostGpus, as_json, ask_gpus, exit_code, table
from llmrack.stack.fleet import Fleet
from tests.unit.components.gpu.test_gpus import seen
from tests.unit.declare import host, settings, stack

FINE, NO_DRIVER = (gpus(seen(recorded), settings()) for recorded in ("fine", "no_driver"))
LOST = Unreached("no connection: timed out")
FLEET = Fleet((host(), host("box2", ("gpu",), "10.0.0.2"), host("watch", ("monitor",), "10.0.0.3")))


def rows(*answers: object) -> list[HostGpus]:
    """What becomes of the hosts' answers."""

    def ask(question, among, patience):
        return {card.name: answer for card, answer in zip(among, answers, strict=True)}

    declared = SimpleNamespace(stack=stack(), fleet=FLEET)
    return ask_gpus(SimpleNamespace(declared=declared, ask=ask))


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ((FINE, FINE, NO_DRIVER), 0),
        ((FINE, NO_DRIVER, FINE), 1),
        ((FINE, LOST, FINE), 2),
        ((FINE, FINE, LOST), 2),
        ((LOST, NO_DRIVER, FINE), 1),
    ],
)
def test_only_gpus_that_are_needed_and_not_fine_are_an_error(answers, code):
    assert exit_code(rows(*answers)) == code


def test_table_says_what_is_wrong():
    text = table(rows(FINE, LOST, NO_DRIVER))
    assert max(map(len, text.splitlines())) <= 80
    assert "box1    fine" in text
    assert "box2    no answer" in text
    assert "box2: no connection: timed out" in text
    assert "watch:" not in text


def test_json_has_a_card_or_a_reason_for_each_host():
    plain = json.loads(as_json(rows(FINE, LOST, NO_DRIVER)))
    fine, lost, monitor = plain["hosts"]
    assert plain["exit_code"] == 2
    assert list(lost) == ["host", "engine", "gpu_required", "unreachable"]
    assert lost["unreachable"] == "no connection: timed out"
    assert fine["unreachable"] is None and fine["state"] == "fine" and len(fine["cards"]) == 2
    assert (monitor["engine"], monitor["state"]) == (False, "no driver")
