"""What the gateway tells others of its instances, in a file of its own."""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from llmrack.shipped.gateway.routing import health
from llmrack.shipped.gateway.routing.health_file import HealthFile


@pytest.fixture
def instances() -> dict[str, Any]:
    return {name: health.Instance(name, watched=True) for name in ("box1", "box2")}


def read(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "health.json").read_text())
    return content["instances"]


def after(change: Any, teller: Any) -> None:
    """Make a change inside a loop, and wait until it is told."""

    async def run() -> None:
        change()
        await teller._task

    asyncio.run(run())


def test_at_its_start_all_are_well(instances: dict[str, Any], tmp_path: Path) -> None:
    HealthFile(instances, str(tmp_path))
    assert read(tmp_path) == {name: {"rest": None, "models": {}} for name in instances}


def test_what_rests_is_told_with_its_reason(instances: dict[str, Any], tmp_path: Path) -> None:
    teller, box1 = HealthFile(instances, str(tmp_path)), instances["box1"]
    after(lambda: box1.put_aside(health.Rest(0.0, "401"), "box1"), teller)
    rest = read(tmp_path)["box1"]["rest"]
    assert rest["why"] == "401" and abs(rest["since"] - time.time()) < 5
    after(lambda: box1.well("m"), teller)
    assert read(tmp_path)["box1"]["rest"] is None


def test_a_model_rests_alone(instances: dict[str, Any], tmp_path: Path) -> None:
    teller, model = HealthFile(instances, str(tmp_path)), instances["box2"].model("m")
    after(lambda: model.put_aside(health.Rest(0.0, "404"), "box2/m"), teller)
    state = read(tmp_path)["box2"]
    assert state["rest"] is None and state["models"]["m"]["why"] == "404"


def test_a_newer_process_has_the_word(instances: dict[str, Any], tmp_path: Path) -> None:
    teller = HealthFile(instances, str(tmp_path))
    newer = {"pid": os.getpid(), "started": time.time() + 60, "instances": {}}
    (tmp_path / "health.json").write_text(json.dumps(newer))
    after(lambda: instances["box1"].put_aside(health.Rest(0.0, "500"), "box1"), teller)
    assert read(tmp_path) == {}


@pytest.mark.parametrize("text", ['{"pid": 0, "started": 1e12, "instances": {}}', "not JSON"])
def test_neither_a_process_that_is_gone_nor_a_damaged_file_has(
    instances: dict[str, Any], tmp_path: Path, text: str
) -> None:
    (tmp_path / "health.json").write_text(text)
    HealthFile(instances, str(tmp_path))
    assert set(read(tmp_path)) == set(instances)


def test_without_a_folder_nobody_is_told(
    instances: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    HealthFile(instances, None)
    instances["box1"].put_aside(health.Rest(0.0, "500"), "box1")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_gone_is_no_error(instances: dict[str, Any]) -> None:
    HealthFile(instances, "/nowhere")
