"""The GPUs of a host: which cards, which driver, and whether Ollama can use them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from llmrack.components.gpu.lines import (
    LOOK,
    ROCM,
    VULKAN,
    Answers,
    Card,
    Device,
    nvidia_cards,
)
from llmrack.components.gpu.other_cards import MAKERS, amd_cards, intel_cards, vendor_of
from llmrack.components.gpu.other_states import other_finding, usable
from llmrack.components.gpu.states import NO_CARD, Finding, State, nvidia_finding
from llmrack.resources.look import Seen
from llmrack.stack.ollama.backends import CardRules, card_rules
from llmrack.stack.settings import Settings

NVIDIA = "nvidia"


@dataclass(frozen=True)
class Gpus:
    """The GPUs of a host.

    + finding: their state with cause and way out
    + vendor: ``nvidia``, ``amd``, ``intel`` or empty; the first of them where several are there
    + cards: those that Ollama uses, by maker in the order of their bus addresses; of NVIDIA's host
      NVIDIA's alone
    + driver: its version (AMD and Intel: its name), empty when none is loaded
    + rocm: whether ROCm uses a card, beside NVIDIA's too
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
    rocm: bool = False

    @property
    def state(self) -> State:
        """Whether they can serve."""
        return self.finding.state

    @property
    def reason(self) -> str:
        """Cause and way out in one sentence, empty when all is well."""
        finding = self.finding
        return f"{finding.why}: {finding.way_out}" if finding.why else ""

    @property
    def libraries(self) -> str:
        """What Ollama uses the cards by, in a few words; empty for CUDA."""
        names = [name for name in (ROCM, VULKAN) if any(c.library == name for c in self.cards)]
        alone = " alone" if names == [VULKAN] else ""
        return f"by {' and '.join(names)}{alone}" if names else ""


def gpus(seen: Seen, settings: Settings) -> Gpus:
    """The host's GPUs as ``seen`` shows them; the look must have asked ``LOOK``.

    + settings: the host's, which say what cards are used by; ``Look.users`` must name the service
      user, whose groups decide on cards of AMD and Intel
    """
    answers = Answers(seen.parts.get(LOOK.tag, []))
    rules = card_rules(settings)
    if seen.facts.get("arch") == "aarch64":
        # Ollama has ROCm's libraries for x86_64 alone.
        rules = replace(rules, rocm=False)
    if not answers.nvidia:
        user = settings.service_user
        return _others(answers, rules, seen.groups.get(user) if user in seen.users else None)
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
        rocm=any(card.library == ROCM for card in amd_cards(answers, rules)),
    )


def _others(answers: Answers, rules: CardRules, groups: set[str] | None) -> Gpus:
    """The GPUs of a host without cards of NVIDIA."""
    if not (answers.amd or answers.intel):
        return Gpus(NO_CARD)
    driven = (*amd_cards(answers, rules), *intel_cards(answers, rules))
    cards = usable(answers, driven)
    finding = other_finding(answers, driven, groups)
    if finding.state is State.NONE:
        return Gpus(finding)
    vendor = vendor_of(cards[0]) if cards else (answers.amd or answers.intel)[0].vendor
    return Gpus(
        finding,
        MAKERS[vendor].lower(),
        cards,
        driver=", ".join(sorted({card.driver for card in cards})),
        rocm=any(card.library == ROCM for card in cards),
    )


def uuids(gpus: Gpus) -> list[str]:
    """The UUIDs that CUDA_VISIBLE_DEVICES (ROCR_VISIBLE_DEVICES) can name, sorted.

    A card that is divided by MIG can only be used through its slices.
    """
    names = [name for card in gpus.cards for name in (card.mig or (card.uuid,))]
    return sorted(name for name in names if name)


def line(gpus: Gpus) -> str:
    """The GPUs in a line, as a plan shows them."""
    parts = [grouped(gpus.cards), f"driver {gpus.driver}", gpus.libraries] if gpus.cards else []
    cards = f"{', '.join(filter(None, parts))}: " if parts else ""
    return f"gpu: {cards}{gpus.state}" + (f"; {gpus.reason}" if gpus.reason else "")


def grouped(cards: Iterable[Card]) -> str:
    """Cards of a kind together, as in ``2 x NVIDIA GeForce RTX 4090 (24 GB)``."""
    kinds = Counter((card.name, card.memory_mib) for card in cards)
    return ", ".join(
        f"{count} x {name}" + (f" ({memory / 1024:.0f} GB)" if memory else "")
        for (name, memory), count in kinds.items()
    )
