"""``llmrack graph``: what its pictures show, and that nothing in them overlaps or is cut off."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from llmrack.observe.report.graph import DEFAULT, Row, mermaid, places, rows, where
from llmrack.observe.report.graph_svg import svg
from llmrack.stack.fleet import Fleet
from llmrack.stack.schema import Stack
from tests.unit.declare import STACK, host, stack, two_boxes

CLOUD = "gpt-oss:20b-cloud"
LLAMA = "llama3.1:latest"
OFF = {"kind": "vllm", "url": "http://old/v1", "enabled": False}
LAN = {"ollama_bind": "0.0.0.0"}


def full() -> Stack:
    """A stack with something of everything."""
    more = {
        "both": {"provider": ["local", "vllm"]},
        "hidden": {"provider": "cloud", "explicit_only": True},
        "gone": {"provider": "old"},
        "v/*": {"provider": "vllm"},
    }
    return stack(
        providers=STACK["providers"] | {"old": OFF},
        models=STACK["models"] | more,
        tiers={"eco": [LLAMA, "gone", "both"], "best": ["coder"]},
        mixes={"m": {LLAMA: 4, CLOUD: 1, "gone": 5}},
        aliases={"gpt": LLAMA},
        chains=STACK["chains"] | {"eco": [CLOUD]},
        context_window_chains={LLAMA: [CLOUD]},
        content_policy_chains={"hidden": ["coder"]},
    )


def shown() -> dict[str, Row]:
    return {row.name: row for row in rows(full()) if not row.when}


def test_a_chain_is_numbered_in_its_order():
    assert shown()[LLAMA].steps == (("1", "coder"), ("2", CLOUD))


def test_the_default_chain_is_spelled_out_once():
    assert shown()["coder"].steps == (("", DEFAULT),)
    assert shown()[DEFAULT].steps == (("1", CLOUD),)


def test_who_is_the_whole_default_chain_is_not_led_to_it():
    assert shown()[CLOUD].steps == ()


def test_a_tier_goes_on_counting_in_its_chain_and_leaves_out_who_is_not_served():
    assert shown()["eco"].steps == (("1", LLAMA), ("2", "both"), ("3", CLOUD))


def test_a_mix_shows_the_shares_of_those_that_are_served():
    assert shown()["m"].steps == (("80 %", LLAMA), ("20 %", CLOUD))
    assert shown()["m"].at_first == 2


def test_notes_say_what_is_to_be_known_of_a_name():
    notes = {name: row.notes for name, row in shown().items() if row.notes}
    assert notes == {
        LLAMA: ("also gpt",),
        "hidden": ("only by name",),
        "gone": ("not served",),
        "eco": ("tier",),
        "best": ("tier",),
        "m": ("mix",),
    }


def test_other_chains_say_when_they_are_taken():
    assert [(row.name, row.when, row.steps) for row in rows(full()) if row.when] == [
        (LLAMA, "a prompt is too long", (("1", CLOUD),)),
        ("hidden", "a prompt is refused", (("1", "coder"),)),
    ]


def test_instances_stand_at_their_provider():
    assert [(place.title, place.lines) for place in places(full(), two_boxes())] == [
        ("local (ollama)", ("box1", "box2")),
        ("vllm (vllm)", ("vllm:8000",)),
        ("cloud (ollama-cloud)", ("ollama.com",)),
        ("old (vllm)", ("not enabled",)),
    ]


def lines_of_local(fleet: Fleet) -> tuple[str, ...]:
    return {place.name: place.lines for place in places(stack(), fleet)}["local"]


def test_instances_of_a_host_stand_in_its_line():
    instances = [{"name": "big", "gpus": ["GPU-18a3e86f"]}, {"name": "cpu", "gpus": []}]
    fleet = Fleet((host(ollama_instances=instances),))
    assert lines_of_local(fleet) == ("box1: big, cpu",)


def test_priorities_and_weights_are_shown_where_they_differ():
    lan = LAN | {"ollama_priority": 2, "ollama_weight": 0.5}
    fleet = Fleet((host(**LAN), host("box2", ("gpu",), "10.0.0.2", **lan)))
    assert lines_of_local(fleet) == (
        "box1 (priority 1, weight 1)",
        "box2 (priority 2, weight 0.5)",
    )


def test_where_a_model_runs_is_told_in_the_order_in_which_it_is_asked():
    providers = STACK["providers"] | {"vllm": STACK["providers"]["vllm"] | {"priority": 2}}
    models = STACK["models"] | {"both": {"provider": ["vllm", "local", "cloud"]}}
    order = stack(providers=providers, models=models)
    assert where(order, two_boxes())["both"] == "local, cloud, then vllm"


def test_mermaid_declares_each_node_that_it_draws_an_arrow_to():
    text = mermaid(full(), two_boxes())
    declared = set(re.findall(r"^ +(?:subgraph )?(\w+)[\[(]", text, re.M))
    arrows = re.findall(r"^  (\w+) (?:==>|-\.->|-->)(?:\|\"[^|]+\"\|)? (\w+)$", text, re.M)
    assert len(arrows) == len(re.findall(r"==>|-\.->|-->", text))
    assert {end for arrow in arrows for end in arrow} <= declared


@pytest.mark.parametrize(
    "line",
    [
        "flowchart LR",
        '  n0["llama3.1:latest<br/>also gpt"]',
        '  n0 -.->|"1"| n2',
        '  n8 ==>|"1"| n0',
        '  n8 -.->|"2"| n4',
        '  n10 ==>|"80 %"| n0',
        '  n0 -.->|"a prompt is too long: 1"| n3',
        '  subgraph p0["local (ollama)"]',
        '    p0i1["box2"]',
        "  n4 --> p0",
        "  n4 --> p1",
        "  style p3 stroke-dasharray: 4",
    ],
)
def test_mermaid_says(line):
    assert line in mermaid(full(), two_boxes()).splitlines()


def test_nothing_leads_from_what_is_not_served():
    assert not re.search(r"^  n6 ", mermaid(full(), two_boxes()), re.M)


def drawing() -> ElementTree.Element:
    return ElementTree.fromstring(svg(full(), two_boxes()))


def elements(name: str) -> list[ElementTree.Element]:
    return drawing().findall(f"{{http://www.w3.org/2000/svg}}{name}")


Frame = tuple[float, float, float, float]


def frames() -> list[Frame]:
    """Left, top, right and bottom of every box."""
    boxes = []
    for line in elements("rect"):
        if line.get("class") != "page":
            x, y = float(line.attrib["x"]), float(line.attrib["y"])
            right, bottom = x + float(line.attrib["width"]), y + float(line.attrib["height"])
            boxes.append((x, y, right, bottom))
    return boxes


def test_boxes_do_not_overlap():
    boxes = frames()
    for box in boxes:
        for other in boxes:
            apart = box[2] < other[0] or other[2] < box[0] or box[3] < other[1] or other[3] < box[1]
            assert box is other or apart


def test_nothing_lies_outside_the_drawing():
    width, height = (float(drawing().attrib[side]) for side in ("width", "height"))
    for x, y, right, bottom in frames():
        assert 0 < x < right < width and 0 < y < bottom < height


def test_text_of_a_box_ends_in_it():
    # 0.602 of the size: the width of DejaVu Sans Mono, the widest of the fonts asked for.
    for line in elements("text"):
        x, y = float(line.attrib["x"]), float(line.attrib["y"])
        inside = [box for box in frames() if box[0] <= x <= box[2] and box[1] <= y <= box[3]]
        size = 11 if line.get("class") == "small" else 13
        for box in inside:
            assert x + len(line.text or "") * size * 0.602 < box[2], line.text


def test_a_drawing_tells_who_cannot_see_it():
    (title,), (description,) = elements("title"), elements("desc")
    assert drawing().attrib["aria-labelledby"] == f"{title.attrib['id']} {description.attrib['id']}"
    assert f"{LLAMA}: 1 coder, 2 {CLOUD}." in (description.text or "")


def test_a_drawing_follows_the_readers_choice_of_light_or_dark():
    assert "@media screen and (prefers-color-scheme:dark)" in svg(full(), two_boxes())


def test_a_drawing_needs_nothing_from_elsewhere():
    text = svg(full(), two_boxes()).replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert "http" not in text and "url(" not in text and "<script" not in text


def test_a_model_that_nobody_serves_and_a_provider_that_is_not_enabled_are_dashed():
    classes = [line.get("class") for line in elements("rect")]
    assert (classes.count("name off"), classes.count("off")) == (1, 1)
