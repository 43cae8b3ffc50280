"""What the gateway does when a deploy says that an instance is about to be restarted."""

from __future__ import annotations

import math
import os
import time
from pathlib import Path
from typing import Any

import pytest

from llmrack.shipped.gateway.routing import drain as module
from llmrack.shipped.gateway.routing import health

NAMES = ("box1", "box2/big one")
UPTIME = 5000.0


@pytest.fixture
def drain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    uptime = tmp_path / "uptime"
    uptime.write_text(f"{UPTIME} 1.0\n")
    monkeypatch.setattr(module, "UPTIME", uptime)
    return module


@pytest.fixture
def instances() -> dict[str, Any]:
    return {name: health.Instance(name, watched=True) for name in NAMES}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "drain").mkdir()
    return tmp_path


def tell(folder: Path, name: str, until: object = UPTIME + 60) -> None:
    (folder / "drain" / name).write_text(f"{until}\n")


def answer(folder: Path) -> str:
    file = folder / "drained" / str(os.getpid())
    return file.read_text() if file.exists() else ""


def test_who_is_named_gets_no_new_requests(
    drain: Any, instances: dict[str, Any], folder: Path
) -> None:
    tell(folder, "box2%2Fbig%20one")
    drain.Drains(instances, str(folder)).look(folder)
    now = time.monotonic()
    asked = [answer.can_be_asked("m", now) for answer in instances.values()]
    assert asked == [True, False]


def test_whoever_was_chosen_before_is_counted_from_the_second_look_on(
    drain: Any, instances: dict[str, Any], folder: Path
) -> None:
    drains = drain.Drains(instances, str(folder))
    tell(folder, "box1")
    drains.look(folder)
    assert answer(folder) == ""
    instances["box1"].model("m").running = 2
    instances["box1"].model("other").running = 1
    drains.look(folder)
    assert answer(folder) == "box1 3 well\n"


def test_who_rests_is_told(drain: Any, instances: dict[str, Any], folder: Path) -> None:
    drains = drain.Drains(instances, str(folder))
    tell(folder, "box1")
    instances["box1"].put_aside(health.Rest(math.inf, "no connection"), "box1")
    drains.look(folder)
    drains.look(folder)
    assert answer(folder) == "box1 0 resting\n"


def test_when_it_is_over_there_are_requests_again_and_no_answer(
    drain: Any, instances: dict[str, Any], folder: Path
) -> None:
    drains = drain.Drains(instances, str(folder))
    tell(folder, "box1")
    drains.look(folder)
    drains.look(folder)
    (folder / "drain" / "box1").unlink()
    drains.look(folder)
    assert instances["box1"].can_be_asked("m", time.monotonic())
    assert answer(folder) == ""


@pytest.mark.parametrize("until", [UPTIME - 1, "", "for ever"])
def test_a_deploy_that_died_is_forgotten(
    drain: Any, instances: dict[str, Any], folder: Path, until: object
) -> None:
    tell(folder, "box1", until)
    drain.Drains(instances, str(folder)).look(folder)
    assert not instances["box1"].drained


def test_an_answer_of_another_process_with_this_number_is_forgotten(
    drain: Any, instances: dict[str, Any], folder: Path
) -> None:
    (folder / "drained").mkdir()
    (folder / "drained" / str(os.getpid())).write_text("box1 0 well\n")
    drain.Drains(instances, str(folder))
    assert answer(folder) == ""


def test_nobody_is_drained_where_nothing_is_said(
    drain: Any, instances: dict[str, Any], tmp_path: Path
) -> None:
    drain.Drains(instances, None)
    drain.Drains(instances, str(tmp_path)).look(tmp_path)
    assert not any(answer.drained for answer in instances.values())
