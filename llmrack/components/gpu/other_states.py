"""Whether the cards of AMD and Intel on a host can serve; if not, the cause and the way out."""

from __future__ import annotations

from collections.abc import Sequence

from llmrack.components.gpu.lines import ROCM, Answers, Card
from llmrack.components.gpu.other_cards import (
    AMD,
    DRIVERS,
    INTEL,
    MAKERS,
    VULKAN_PACKAGES,
    lacks_vulkan,
    undriven,
    vendor_of,
)
from llmrack.components.gpu.states import CPU_ONLY, FINE, NO_CARD, Cure, Finding, State

_FIRMWARE = {
    AMD: "firmware-amd-graphics; linux-firmware on Ubuntu",
    INTEL: "firmware-misc-nonfree; linux-firmware on Ubuntu",
}


def usable(answers: Answers, cards: Sequence[Card]) -> tuple[Card, ...]:
    """The cards that Ollama uses: without those that Vulkan lacks a driver for, if others serve.

    + cards: those that a kernel driver drives
    """
    served = [card for card in cards if card.library]
    ready = [card for card in served if card.library == ROCM or not lacks_vulkan(answers, card)]
    return tuple(ready or served)


def other_finding(answers: Answers, cards: Sequence[Card], groups: set[str] | None) -> Finding:
    """The state of a host with cards of AMD or Intel.

    + cards: those that a kernel driver drives
    + groups: those of the service user, None when there is no such user yet
    """
    without = undriven(answers)
    if without:
        vendor = without[0].vendor
        places = ", ".join(device.bus for device in without if device.vendor == vendor)
        return Finding(
            State.NO_DRIVER,
            f"the kernel's {' or '.join(DRIVERS[vendor])} does not drive its card at {places}",
            f"install the firmware ({_FIRMWARE[vendor]}) or a later kernel; {CPU_ONLY}",
        )
    serving = usable(answers, cards)
    if not serving:
        return _left_alone(cards)
    if any(card.library == ROCM for card in serving):
        return _group(answers, "kfd", "/dev/kfd", groups)
    return _by_vulkan(answers, serving, groups)


def _left_alone(cards: Sequence[Card]) -> Finding:
    """The state of a host whose cards Ollama does not use."""
    if not cards:
        return NO_CARD
    places = ", ".join(f"{card.name} at {card.bus}" for card in cards)
    return Finding(
        State.NONE,
        f"Ollama leaves its card alone ({places}): it is part of the processor, or Vulkan, which "
        "alone could use it, is turned off",
        "set OLLAMA_IGPU_ENABLE (and OLLAMA_VULKAN) to True in ollama_environment to use it, or "
        f"{CPU_ONLY}",
    )


def _by_vulkan(answers: Answers, serving: Sequence[Card], groups: set[str] | None) -> Finding:
    """The state of a host whose cards only Vulkan uses."""
    card = serving[0]
    if lacks_vulkan(answers, card):
        if vendor_of(card) == AMD and not answers.first("kfd"):
            return Finding(
                State.NOT_READY,
                "amdgpu drives its card, but /dev/kfd is missing, without which ROCm finds none",
                "boot a kernel with CONFIG_HSA_AMD, as those of Debian and Ubuntu are",
            )
        return Finding(
            State.NOT_READY,
            f"only Vulkan uses its card ({card.name}), and Vulkan's loader or its driver for "
            f"cards of {MAKERS[vendor_of(card)]} is missing",
            f"install them (apt-get install {VULKAN_PACKAGES}), or {CPU_ONLY}",
        )
    if not answers.first("render"):
        return Finding(
            State.NOT_READY,
            f"{card.driver} drives its card, but there is no /dev/dri/renderD*, without "
            "which Vulkan finds none",
            "`journalctl -k` on the host says why",
        )
    return _group(answers, "render", "/dev/dri/renderD*", groups)


def _group(answers: Answers, kind: str, device: str, groups: set[str] | None) -> Finding:
    """Fine if the service user is in the group of a device file."""
    group = answers.first(kind)
    if groups is None or group in groups:
        return FINE
    return Finding(
        State.NOT_READY,
        f"the service user is not in the group {group}, to which {device} belongs",
        "deploy: that adds it",
        Cure.DEPLOY,
    )
