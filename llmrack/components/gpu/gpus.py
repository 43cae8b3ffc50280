"""The GPUs of a host: which cards, which driver, and whether Ollama can use them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from llmrack.components.gpu.lines import LOOK, Answers, Card, Device, amd_cards, nvidia_cards
from llmrack.components.gpu.states import NO_CARD, Finding, State, amd_finding, nvidia_finding
from llmrack.resources.look import Seen

NVIDIA, AMD = "nvidia", "amd"


@dataclass(frozen=True)
class Gpus:
    """The GPUs of a host.

    + finding: their state with cause and way out
    + vendor: ``nvidia``, ``amd`` or empty; ``nvidia`` where both are there
    + cards: as the driver shows them, in the order of their bus addresses
    + driver: its version (AMD: ``amdgpu``), empty when none is loaded
    + kernel: the running one, known only with NVIDIA cards
    + devices: NVIDIA's cards as the bus shows them, with or without a driver
    + headers: whether the headers of the running kernel are installed
    + secure_boot: whether the firmware refuses modules without a signature that it knows
    + enrolled: whether the firmware knows the key by which DKMS signs
    """

    finding: Finding
    vendor: str = ""
    cards: tuple[Card, ...] = ()
    driver: str = ""
    kernel: str = ""
    devices: tuple[Device, ...] = ()
    headers: bool = False
    secure_boot: bool = False
    enrolled: bool = False

    @property
    def state(self) -> State:
        """Whether they can serve."""
        return self.finding.state

    @property
    def reason(self) -> str:
        """Cause and way out in one sentence, empty when all is well."""
        finding = self.finding
        return f"{finding.why}: {finding.way_out}" if finding.why else ""


def gpus(seen: Seen, user: str) -> Gpus:
    """The host's GPUs as ``seen`` shows them; the look must have asked ``LOOK``.

    + user: the service user, whose groups decide on AMD cards; ``Look.users`` must name it
    """
    answers = Answers(seen.parts.get(LOOK.tag, []))
    if answers.nvidia:
        cards = nvidia_cards(answers)
        return Gpus(
            nvidia_finding(answers, cards),
            NVIDIA,
            cards,
            driver=answers.module,
            kernel=answers.first("kernel"),
            devices=tuple(answers.nvidia),
            headers=bool(answers.first("headers")),
            secure_boot=answers.first("secureboot") == "1",
            enrolled=bool(answers.first("enrolled")),
        )
    if answers.amd:
        cards = amd_cards(answers)
        groups = seen.groups.get(user) if user in seen.users else None
        return Gpus(amd_finding(answers, groups), AMD, cards, driver="amdgpu" if cards else "")
    return Gpus(NO_CARD)


def uuids(gpus: Gpus) -> list[str]:
    """The UUIDs that CUDA_VISIBLE_DEVICES (ROCR_VISIBLE_DEVICES) can name, sorted.

    A card that is divided by MIG can only be used through its slices.
    """
    names = [name for card in gpus.cards for name in (card.mig or (card.uuid,))]
    return sorted(name for name in names if name)


def line(gpus: Gpus) -> str:
    """The GPUs in a line, as a plan shows them."""
    cards = f"{grouped(gpus.cards)}, driver {gpus.driver}: " if gpus.cards else ""
    return f"gpu: {cards}{gpus.state}" + (f"; {gpus.reason}" if gpus.reason else "")


def grouped(cards: Iterable[Card]) -> str:
    """Cards of a kind together, as in ``2 x NVIDIA GeForce RTX 4090 (24 GB)``."""
    kinds = Counter((card.name, card.memory_mib) for card in cards)
    return ", ".join(
        f"{count} x {name}" + (f" ({memory / 1024:.0f} GB)" if memory else "")
        for (name, memory), count in kinds.items()
    )
