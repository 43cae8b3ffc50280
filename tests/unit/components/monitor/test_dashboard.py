"""The Grafana dashboard of a fleet."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from llmrack.commands.dashboard import dashboard as command
from llmrack.components.monitor.dashboard import dashboard
from tests.unit.declare import stack, two_boxes

register_default_plugins()
MADE = dashboard(stack(), two_boxes())
PANELS = [panel for panel in MADE["panels"] if panel["type"] != "row"]


def test_grafanas_own_model_reads_it_and_loses_nothing():
    read = Dashboard.from_json(json.loads(json.dumps(MADE)))
    written = json.loads(JSONEncoder().encode(read))
    assert lost(MADE, written) == []


def lost(given, got, path="dashboard"):
    """Where something that was given is not among what was got; defaults may be added."""
    if isinstance(given, dict):
        return [
            place
            for key, value in given.items()
            for place in (lost(value, got[key], f"{path}.{key}") if key in got else [path])
        ]
    if isinstance(given, list):
        if len(given) != len(got):
            return [path]
        pairs = enumerate(zip(given, got, strict=True))
        return [
            place for n, (first, other) in pairs for place in lost(first, other, f"{path}[{n}]")
        ]
    return [] if given == got else [path]


def values(name):
    (variable,) = [item for item in MADE["templating"]["list"] if item["name"] == name]
    return [option["text"] for option in variable["options"]]


def test_it_offers_the_fleets_own_names():
    assert values("gateway") == ["All", "box1"]
    assert values("instance") == ["All", "vllm", "box1", "box2", "cloud"]
    assert values("model") == ["All", *stack().models]


def test_panels_have_places_and_numbers_of_their_own():
    assert len({panel["id"] for panel in MADE["panels"]}) == len(MADE["panels"])
    taken = set()
    for panel in MADE["panels"]:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert at["x"] + at["w"] <= 24 and not cells & taken
        taken |= cells


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_asks_something(panel):
    assert panel["targets"] and all(target["expr"] for target in panel["targets"])


def test_the_command_is_there():
    assert "Grafana" in CliRunner().invoke(command, ["--help"]).output
