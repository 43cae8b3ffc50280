"""Whether instances have their own cards alone."""

from __future__ import annotations

from collections.abc import Sequence

from llmrack.components.gpu.gpus import Gpus
from llmrack.components.gpu.lines import VULKAN
from llmrack.stack.instances import Instance
from llmrack.stack.ollama.instances import NO_DEVICE, VULKAN_SELECTOR


def unpinned(instances: Sequence[Instance], gpus: Gpus) -> str | None:
    """Why an instance would not have its own card alone; None if all have.

    Vulkan knows cards by number, not by UUID.
    """
    if len(gpus.cards) < 2:
        return None
    by_vulkan = {card.uuid for card in gpus.cards if card.library == VULKAN}
    for instance in instances:
        pinned = by_vulkan.intersection(instance.gpus or ())
        chosen = dict(instance.environment).get(VULKAN_SELECTOR, NO_DEVICE)
        if pinned and chosen == NO_DEVICE:
            return (
                f"only Vulkan uses {min(pinned)}, the card of its instance {instance.name}, and "
                "Vulkan knows cards by number, not by UUID: list the instances in ollama_instances "
                f"and give this one its number as {VULKAN_SELECTOR} in its environment "
                "(`vulkaninfo --summary` on the host counts the cards), or set ollama_instances to "
                "'one'"
            )
    return None
