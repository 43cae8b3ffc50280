"""Whether a host's GPUs can serve; if not, the cause and the way out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from llmrack.components.gpu.lines import SMI_DEADLINE, Answers, Card

# What Ollama's CUDA libraries need: this driver, and a later one for cards older than compute
# capability 7.0. With less it serves from the CPU, silently.
OLDEST_DRIVER = 550
OLDEST_DRIVER_OLD_CARDS = 570
NEWER_CARDS = (7, 0)

CPU_ONLY = "declare a box that shall serve from its CPU with `gpu_required = False`"
_KERNEL_LOG = "`journalctl -k | grep -e NVRM -e Xid` on the host says why"


class State(StrEnum):
    """Whether the GPUs of a host can serve, and if not, what is missing."""

    NONE = "none"
    NO_DRIVER = "no driver"
    TOO_OLD = "driver too old"
    REBOOT = "reboot required"
    NOT_READY = "not ready"
    FINE = "fine"


class Cure(StrEnum):
    """The part of a deploy that ends a state: its driver, its reboot, its boot unit, or none."""

    NOTHING = "nothing"
    DRIVER = "driver"
    REBOOT = "reboot"
    DEPLOY = "deploy"


@dataclass(frozen=True)
class Finding:
    """A state with its cause and the way out, the two halves of a sentence."""

    state: State
    why: str = ""
    way_out: str = ""
    cure: Cure = Cure.NOTHING


FINE = Finding(State.FINE)
NO_CARD = Finding(
    State.NONE,
    "no GPU of NVIDIA, AMD or Intel is on its bus",
    f"put a card in (or pass one through to a virtual machine), or {CPU_ONLY}",
)


def nvidia_finding(answers: Answers, cards: Sequence[Card]) -> Finding:
    """The state of a host with NVIDIA cards.

    + cards: those that nvidia-smi lists
    """
    if not answers.module:
        return _not_loaded(answers)
    output = " ".join(answers.smi_output).strip()
    if "Driver/library version mismatch" in output:
        library = re.search(r"NVML library version: (\S+)", output)
        return _reboot(
            f"the kernel runs driver {answers.module}, but the library on disk is "
            f"{library[1] if library else 'another one'}"
        )
    oldest = OLDEST_DRIVER
    if any(card.compute < NEWER_CARDS for card in cards):
        oldest = OLDEST_DRIVER_OLD_CARDS
    if int(answers.module.partition(".")[0]) < oldest:
        old_card = " with a card this old" if oldest == OLDEST_DRIVER_OLD_CARDS else ""
        return Finding(
            State.TOO_OLD,
            f"its driver is {answers.module}, but Ollama needs {oldest} or later{old_card} and "
            "would serve from the CPU",
            'install a later one, or set `gpu_driver = "nvidia"` and deploy',
            Cure.DRIVER,
        )
    if answers.first("smi") == "127":
        return Finding(
            State.NO_DRIVER,
            f"the kernel runs driver {answers.module}, but nvidia-smi is not installed",
            "install the tools of that version (nvidia-smi; nvidia-utils-… on Ubuntu)",
        )
    if answers.first("smi") == "124":
        return Finding(
            State.NOT_READY,
            f"nvidia-smi does not answer within {SMI_DEADLINE} s",
            f"{_KERNEL_LOG}; without nvidia-persistenced a box with many cards takes long",
        )
    if answers.first("smi") != "0" or not cards:
        return Finding(State.NOT_READY, f"nvidia-smi says: {output or 'nothing'}", _KERNEL_LOG)
    return _answering(answers, cards)


def _answering(answers: Answers, cards: Sequence[Card]) -> Finding:
    """The state of a host whose driver answers and is new enough."""
    lost = sorted({device.bus for device in answers.nvidia} - {card.bus for card in cards})
    if lost:
        return Finding(
            State.NOT_READY,
            f"{len(answers.nvidia)} cards are on its bus, but nvidia-smi lists {len(cards)} of "
            f"them (lost: {', '.join(lost)})",
            f"{_KERNEL_LOG}; a reboot or a look at the power cable often helps",
        )
    undivided = [card.uuid for card in cards if card.mig == ()]
    if undivided:
        return Finding(
            State.NOT_READY,
            f"MIG is on, but no slice is made on {', '.join(undivided)}",
            "make some with `nvidia-smi mig -cgi … -C`, or turn it off with `nvidia-smi -mig 0`",
        )
    if not answers.first("uvm"):
        return Finding(
            State.NOT_READY,
            "its cards answer, but /dev/nvidia-uvm is missing, without which CUDA finds none",
            "deploy: that makes it, now and at each boot (by hand: `nvidia-modprobe -u -c 0`)",
            Cure.DEPLOY,
        )
    return FINE


def _not_loaded(answers: Answers) -> Finding:
    """The state of a host whose kernel has not loaded NVIDIA's module."""
    kernel = answers.first("kernel")
    files = [(path.partition("/")[0], float(changed)) for path, changed in answers.all("file")]
    ours = [changed for of, changed in files if of == kernel]
    holder = next((device.driver for device in answers.nvidia if device.driver), "")
    if not files and holder:
        return _no_driver(f"{holder} holds its card, which Ollama cannot use that way")
    if not files:
        return _no_driver("it has a card, but no driver for it")
    if not ours and answers.first("reboot"):
        return _reboot(f"its driver is installed, but not for the running kernel {kernel}")
    if not ours:
        return _no_driver(
            f"its driver is built for another kernel, not for the running {kernel}, whose headers "
            + ("are there" if answers.first("headers") else f"(linux-headers-{kernel}) are missing")
        )
    secure, signer = answers.first("secureboot") == "1", answers.first("signer")
    if secure and not signer:
        return Finding(
            State.NO_DRIVER,
            "Secure Boot is on and refuses the driver's module, which is not signed",
            'on Ubuntu take its signed modules (`gpu_driver = "distribution"`); else sign it with '
            "a key of your own (mokutil --import) or turn Secure Boot off in the firmware",
        )
    if max(ours) > float(answers.first("booted") or 0):
        return _reboot("its driver was installed after the last boot and is not loaded")
    if secure:
        return Finding(
            State.NO_DRIVER,
            f"Secure Boot is on, and the driver's module, signed by {signer}, was not loaded",
            "enrol that key (mokutil --import, then confirm it at the next boot) or turn Secure "
            "Boot off in the firmware",
        )
    return Finding(
        State.NOT_READY,
        "its driver is installed, but was not loaded at boot"
        + (f"; {holder} holds the card" if holder else ""),
        "`modprobe nvidia` says why; look for `blacklist nvidia` in /etc/modprobe.d",
    )


def _no_driver(why: str) -> Finding:
    way_out = f'install its driver, or set `gpu_driver = "nvidia"` and deploy; {CPU_ONLY}'
    return Finding(State.NO_DRIVER, why, way_out, Cure.DRIVER)


def _reboot(why: str) -> Finding:
    way_out = "reboot it, or set `gpu_reboot = True` and deploy"
    return Finding(State.REBOOT, why, way_out, Cure.REBOOT)
