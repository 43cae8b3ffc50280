"""Pinning of instances to cards that only Vulkan uses."""

from __future__ import annotations

from dataclasses import replace

import pytest

from llmrack.components.gpu.gpus import gpus
from llmrack.components.ollama.pins import unpinned
from llmrack.stack.fleet import Host
from llmrack.stack.ollama.instances import instances
from tests.unit.components.gpu.test_gpus import seen
from tests.unit.declare import host


def refusal(box: Host, recorded: str) -> str | None:
    return unpinned(instances(box), gpus(seen(recorded), box.settings))


def pinned_to_vulkan(**environment: str) -> Host:
    """A host with an instance on each of two cards, the second one by Vulkan."""
    listed = [
        {"name": "new", "gpus": ["GPU-2ae088c172fd5d13"]},
        {"name": "old", "gpus": ["GPU-00000000000000ff"], "environment": environment},
    ]
    return replace(host(ollama_instances=listed), rocm=True)


def test_a_card_that_only_vulkan_uses_is_pinned_by_number() -> None:
    reason = refusal(pinned_to_vulkan(), "amd_two")
    assert (
        reason and "only Vulkan uses GPU-00000000000000ff, the card of its instance old" in reason
    )
    assert "GGML_VK_VISIBLE_DEVICES" in reason
    assert refusal(pinned_to_vulkan(GGML_VK_VISIBLE_DEVICES="1"), "amd_two") is None


def test_an_instance_for_each_card_cannot_be_pinned_by_number() -> None:
    cards = ("GPU-2ae088c172fd5d13", "GPU-00000000000000ff")
    box = replace(host(ollama_instances="per-gpu"), gpus=cards, rocm=True)
    reason = refusal(box, "amd_two")
    assert reason and "set ollama_instances to 'one'" in reason


@pytest.mark.parametrize("recorded", ["amd_vulkan", "amd_fine", "fine", "none", "intel_two"])
def test_other_instances_are_pinned(recorded: str) -> None:
    box = replace(host(ollama_instances="per-gpu"), gpus=("GPU-2ae088c172fd5d13",))
    assert refusal(box, recorded) is None
    assert refusal(host(), recorded) is None
