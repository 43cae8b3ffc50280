"""Cards of AMD and Intel: by what Ollama uses them, and what a deploy brings. Host: box3."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from llmrack_lab.gpus import pretence
from llmrack_lab.lab import Lab
from tests.lab.site import Site
from tests.lab.sources import mirror_of
from tests.lab.test_bundle import create

BOX = "box3"
HOSTS = {BOX: ("gpu",), "box4": ("gateway",)}
STACK: dict[str, Any] = {
    "providers": {"local": {"kind": "ollama"}},
    "models": {"llama3.2:1b": {"provider": "local"}},
}
RELEASES = "/home/llm/.local/opt/ollama"
LIBRARIES = f"{RELEASES}/current/lib/ollama"
CARDS = sorted(card.uuid for card in pretence(BOX, 2, "fine", "amd").cards)


@pytest.fixture(scope="module")
def site(module_site: Site, lab: Lab, fresh: Callable[[str], None]) -> Iterator[Site]:
    """A host that shall serve from its cards."""
    fresh(BOX)
    module_site.only = BOX
    module_site.declare(HOSTS, STACK)
    yield module_site
    lab.host(BOX).set_gpus(1)


def release(site: Site) -> str:
    """The name of the release that serves."""
    return site.on(BOX, f"basename $(readlink {RELEASES}/current)")


def libraries(site: Site) -> list[str]:
    """What the instances use their cards by, as their journals tell since their last start."""
    units = site.as_service(BOX, "systemctl --user list-units --plain --no-legend 'llmrack-o*'")
    names = []
    for unit in re.findall(r"llmrack-ollama@\S+", units):
        last = f"_SYSTEMD_INVOCATION_ID=$(systemctl --user show -P InvocationID {unit})"
        journal = site.as_service(BOX, f"journalctl --user -q -o cat {last}")
        names += re.findall(r"inference compute.* library=(\w+)", journal)
    return names


def test_a_card_of_amd_gets_the_libraries_of_rocm(site: Site) -> None:
    site.lab.host(BOX).set_gpus(2, "fine", "amd")
    run = site.deployed()
    assert "2 x AMD 0x744c (24 GB), driver amdgpu, by ROCm: fine" in run.output
    assert "_rocm_" in release(site)
    assert "rocm_v7_2" in site.on(BOX, f"ls {LIBRARIES}")
    assert libraries(site) == ["ROCm", "ROCm"]
    site.settled()


def test_what_is_known_of_cards_is_in_a_plan(site: Site) -> None:
    plan = site.run("llmrack", "plan", "-i", site.inventory)
    assert plan.code == 0, plan.output
    assert re.search(rf"Archive {RELEASES}/\S+_rocm_", plan.output), plan.output


def test_an_instance_for_each_card_has_that_alone(site: Site) -> None:
    site.declare(HOSTS, STACK, ollama_instances="per-gpu")
    site.deployed()
    assert libraries(site) == ["ROCm", "ROCm"]
    for uuid in CARDS:
        unit = f"llmrack-ollama@{uuid.removeprefix('GPU-')[:8]}"
        variables = site.environment_of(BOX, unit)
        assert variables["ROCR_VISIBLE_DEVICES"] == uuid
        assert variables["GGML_VK_VISIBLE_DEVICES"] == "-1"
    site.settled()
    site.declare(HOSTS, STACK)
    site.deployed()


def test_a_release_without_them_fails_its_proof_with_a_sentence(site: Site) -> None:
    site.on(BOX, f"mv {LIBRARIES}/rocm_v7_2 /home/llm/rocm")
    site.as_service(BOX, "systemctl --user restart llmrack-ollama@main")
    run = site.run("pyinfra", site.inventory, "verify.py", "-y", "--limit", BOX)
    assert run.code == 1
    text = " ".join(run.output.split())
    assert "runs on the CPU; " in text and f"ROCm's libraries in {RELEASES}/current/" in text
    site.on(BOX, f"mv /home/llm/rocm {LIBRARIES}/rocm_v7_2")
    site.as_service(BOX, "systemctl --user restart llmrack-ollama@main")
    assert site.run("pyinfra", site.inventory, "verify.py", "-y", "--limit", BOX).code == 0


def test_libraries_that_nothing_needs_do_not_serve_any_more(site: Site) -> None:
    before = release(site)
    site.lab.host(BOX).set_gpus(1)
    site.deployed()
    assert release(site) != before and "_rocm_" not in release(site)
    assert libraries(site) == ["CUDA"]
    site.settled()


@pytest.mark.parametrize(("vendor", "state"), [("amd", "old-card"), ("intel", "fine")])
def test_a_card_that_only_vulkan_uses_serves(site: Site, vendor: str, state: str) -> None:
    site.lab.host(BOX).set_gpus(1, state, vendor)
    run = site.deployed()
    assert "by Vulkan alone: fine" in run.output
    site.as_service(BOX, "systemctl --user restart llmrack-ollama@main")
    assert libraries(site) == ["Vulkan"]
    assert "_rocm_" not in release(site)
    status = site.run("llmrack", "status", "--gpus", "-i", site.inventory)
    assert f"{BOX}: its cards are used by Vulkan alone" in status.output, status.output
    site.settled()


def test_no_card_is_used_where_none_is_to_be(site: Site) -> None:
    site.lab.host(BOX).set_gpus(1, "fine", "intel")
    site.declare(HOSTS, STACK, ollama_instances=[{"name": "main", "gpus": []}])
    site.deployed()
    assert libraries(site) == ["cpu"]
    site.settled()
    site.declare(HOSTS, STACK)


def test_cards_that_vulkan_cannot_tell_apart_are_refused(site: Site) -> None:
    site.lab.host(BOX).set_gpus(2, "old-card", "amd")
    site.declare(HOSTS, STACK, ollama_instances="per-gpu")
    run = site.deploy()
    assert run.code == 1
    text = " ".join(run.output.split())
    assert "Vulkan knows cards by number, not by UUID" in text
    listed = [
        {"name": f"card{n}", "gpus": [uuid], "environment": {"GGML_VK_VISIBLE_DEVICES": str(n)}}
        for n, uuid in enumerate(CARDS)
    ]
    site.declare(HOSTS, STACK, ollama_instances=listed)
    site.deployed()
    assert libraries(site) == ["Vulkan", "Vulkan"]
    site.declare(HOSTS, STACK)


def test_a_host_without_vulkan_is_refused_with_what_it_lacks(site: Site) -> None:
    site.lab.host(BOX).set_gpus(1, "no-vulkan", "intel")
    run = site.deploy()
    assert run.code == 1
    assert "apt-get install libvulkan1 mesa-vulkan-drivers" in " ".join(run.output.split())


def test_json_names_the_library_of_each_card(site: Site) -> None:
    site.lab.host(BOX).set_gpus(1, "fine", "intel")
    run = site.run("llmrack", "status", "--gpus", "--json", "-i", site.inventory)
    host = next(host for host in json.loads(run.output)["hosts"] if host["host"] == BOX)
    assert [card["library"] for card in host["cards"]] == ["Vulkan"]
    assert (host["vendor"], host["driver"]) == ("intel", "i915")


def test_a_bundle_brings_the_libraries_of_rocm(site: Site, lab: Lab) -> None:
    lab.host(BOX).set_gpus(1, "fine", "amd")
    folder = lab.folder / "bundle-rocm"
    site.declare(HOSTS, STACK, ollama_mirror=mirror_of(lab))
    made = create(site, folder)
    assert made.code == 0, made.output
    name = "ollama-linux-amd64-rocm.tar.zst"
    assert (folder / "ollama" / name).is_file()
    assert "amd64-rocm" in json.loads((folder / "bundle.json").read_text())["ollama_sha256"]
    site.on(BOX, f"rm -rf {RELEASES}/*_rocm_*")
    site.declare(HOSTS, STACK, bundle=str(folder))
    run = site.deployed()
    assert "fetching" not in run.output
    assert libraries(site) == ["ROCm"]
    site.settled()
    site.declare(HOSTS, STACK)
