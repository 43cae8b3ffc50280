"""Each state of a host's GPUs is told apart, and one that cannot serve is refused. Host: box3."""

from __future__ import annotations

import json

import pytest

from llmrack_lab.gpus import STATES, pretence
from tests.lab.site import STACK, Run, Site

BOX = {"box3": ("gpu", "gateway")}
# What the lab pretends: the state that is told, and words of its reason.
TOLD = {
    ("nvidia", "fine"): ("fine", ""),
    ("nvidia", "no-driver"): ("no driver", "no driver for it"),
    ("nvidia", "nouveau"): ("no driver", "nouveau holds its card"),
    ("nvidia", "unsigned"): ("no driver", "Secure Boot is on and refuses"),
    ("nvidia", "too-old"): ("driver too old", "535.183.01, but Ollama needs 550"),
    ("nvidia", "old-card"): ("driver too old", "570 or later with a card this old"),
    ("nvidia", "mismatch"): ("reboot required", "the library on disk is 570.133"),
    ("nvidia", "not-ready"): ("not ready", "No devices were found"),
    ("nvidia", "lost"): ("not ready", "2 cards are on its bus, but nvidia-smi lists 1"),
    # Nothing shows it but CUDA itself: the proof finds it, and the unit after a suspend ends it.
    ("nvidia", "suspended"): ("fine", ""),
    ("amd", "fine"): ("fine", ""),
    ("amd", "no-driver"): ("no driver", "amdgpu does not drive its card"),
    ("amd", "old-card"): ("fine", ""),
    ("intel", "fine"): ("fine", ""),
    ("intel", "no-driver"): ("no driver", "i915 or xe does not drive its card"),
    ("intel", "no-vulkan"): ("not ready", "apt-get install libvulkan1 mesa-vulkan-drivers"),
}


@pytest.fixture
def box(site: Site) -> Site:
    """A host that shall serve from its GPUs."""
    site.declare(BOX)
    return site


def status(site: Site, *options: str) -> Run:
    return site.run("llmrack", "status", "--gpus", "-i", site.inventory, *options)


def test_every_pretended_state_is_tried() -> None:
    assert set(TOLD) == {(vendor, state) for vendor, states in STATES.items() for state in states}


@pytest.mark.parametrize(("vendor", "state"), TOLD)
def test_state_of_a_booted_host_is_told(box: Site, vendor: str, state: str) -> None:
    box.lab.host("box3").set_gpus(2, state, vendor)
    # As a deploy does, where there has been one.
    box.on("box3", "usermod -aG render llm", check=False)
    run = status(box, "--json")
    (host,) = json.loads(run.output)["hosts"]
    told, reason = TOLD[vendor, state]
    assert host["state"] == told
    assert reason in host["reason"]
    assert run.code == (0 if told == "fine" else 1)


def test_host_without_a_card_says_how_it_could_serve(box: Site) -> None:
    box.lab.host("box3").set_gpus(0)
    run = status(box)
    assert run.code == 1
    assert "box3: no GPU of NVIDIA, AMD or Intel is on its bus" in run.output
    assert "`gpu_required = False`" in run.output


def test_cpu_only_box_is_well_when_declared(site: Site) -> None:
    site.declare(BOX, gpu_required=False)
    site.lab.host("box3").set_gpus(0)
    run = status(site)
    assert run.code == 0, run.output
    assert "box3: serves from its CPU, as declared" in run.output


def test_table_is_plain_text_of_80_columns(box: Site) -> None:
    box.lab.host("box3").set_gpus(2)
    run = status(box)
    assert "2 x RTX 4090 (24 GB)" in run.output
    assert "0.0 of 48 GB" in run.output
    assert max(map(len, run.output.splitlines())) <= 80
    assert "\x1b" not in run.output


def test_cards_can_be_listed_with_what_pins_them(box: Site) -> None:
    box.lab.host("box3").set_gpus(2)
    run = status(box, "--uuids")
    for card in pretence("box3", 2).cards:
        assert f"box3 {card.bus} {card.uuid} {card.name}" in run.output


def test_pins_do_not_change_with_the_order_of_the_bus(box: Site) -> None:
    host = box.lab.host("box3")
    host.set_gpus(2)
    before = json.loads(status(box, "--json").output)["hosts"][0]["uuids"]
    host.set_gpus(2, reverse=True)
    assert json.loads(status(box, "--json").output)["hosts"][0]["uuids"] == before


def test_host_that_does_not_answer_is_a_row_of_its_own(site: Site) -> None:
    site.declare({"box3": ("gpu", "gateway"), "box4": ("gpu",)}, ollama_bind="0.0.0.0")
    site.lab.host("box3").set_gpus(1)
    file = site.folder / "inventory"
    nobody = site.lab.host("box4").address.rpartition(".")[0] + ".200"
    file.write_text(file.read_text().replace(site.lab.host("box4").address, nobody))
    run = status(site)
    assert run.code == 2, run.output
    assert "box4: no connection: " in run.output
    assert "1 x RTX 4090" in run.output


@pytest.mark.parametrize("state", ["no-driver", "unsigned", "too-old", "mismatch", "lost"])
def test_required_gpu_that_cannot_serve_refuses_the_host(box: Site, state: str) -> None:
    box.lab.host("box3").set_gpus(2, state)
    before = box.listing("box3")
    run = box.deploy()
    assert run.code == 1
    assert f"[box3] refused, nothing was changed: {words(state)}" in run.output, run.output
    assert box.listing("box3") == before


def words(state: str) -> str:
    """How the reason begins."""
    return {
        "no-driver": "it has a card, but no driver for it",
        "unsigned": "Secure Boot is on and refuses",
        "too-old": "its driver is 535.183.01",
        "mismatch": "the kernel runs driver 570.86.15",
        "lost": "2 cards are on its bus",
    }[state]


def test_missing_gpu_refuses_the_host(box: Site) -> None:
    box.lab.host("box3").set_gpus(0)
    run = box.run("pyinfra", box.inventory, "deploy.py", "--dry")
    assert (
        "refused, nothing was changed: no GPU of NVIDIA, AMD or Intel is on its bus" in run.output
    )
    assert "would change" not in run.output


def test_box_that_runs_no_models_needs_no_gpu(site: Site) -> None:
    cloud = {
        "providers": {"cloud": STACK["providers"]["cloud"]},
        "models": {"gpt-oss:20b-cloud": {"provider": "cloud"}},
        "default_chain": ["gpt-oss:20b-cloud"],
    }
    site.declare({"box3": ("gateway",)}, stack=cloud)
    site.lab.host("box3").set_gpus(0)
    assert "refused" not in site.run("pyinfra", site.inventory, "deploy.py", "--dry").output
    assert status(site).code == 0
