"""Cards of AMD and Intel: what the look says of them, and what Ollama uses them by."""

from __future__ import annotations

from dataclasses import dataclass

from llmrack.components.gpu.lines import ROCM, VULKAN, Answers, Card, Device, number
from llmrack.stack.ollama.backends import CardRules, target_of

# PCI vendor numbers, and the kernel drivers that a card needs.
AMD, INTEL = "0x1002", "0x8086"
DRIVERS = {AMD: ("amdgpu",), INTEL: ("i915", "xe")}
MAKERS = {AMD: "AMD", INTEL: "Intel"}
# Drivers for Vulkan by how their manifests begin: Mesa's and those of the makers.
_MANIFESTS = {AMD: ("radeon_icd", "amd_icd"), INTEL: ("intel_icd", "intel_hasvk_icd")}
# The packages with Vulkan's loader and Mesa's drivers, on Debian and on Ubuntu.
VULKAN_PACKAGES = "libvulkan1 mesa-vulkan-drivers"
# Bytes: a card of AMD's is integrated if it has so little memory, and may use so much of the host's
# (discover/amd.go of Ollama, readROCmDRMDevice).
_MOST_OWN, _LEAST_SHARED, _SHARED_TIMES = 4 << 30, 8 << 30, 4


@dataclass(frozen=True)
class _Node:
    """A card in the compute topology that amdgpu shows.

    + unique: its unique id, 0 if it has none
    + target: its LLVM target, as in ``gfx1100``
    """

    unique: int
    target: str


def amd_cards(answers: Answers, rules: CardRules) -> tuple[Card, ...]:
    """The cards that amdgpu drives, by bus address.

    Their UUID is what ``rocminfo`` prints and ROCR_VISIBLE_DEVICES takes: the unique id of the
    node in the kernel's compute topology, in hexadecimal.
    """
    nodes = {
        _address(int(domain), int(location)): _Node(int(unique), target_of(int(target)))
        for domain, location, unique, target in answers.all("node")
    }
    cards = []
    for index, device in enumerate(answers.amd):
        if device.driver in DRIVERS[device.vendor]:
            node = nodes.get(device.bus, _Node(0, ""))
            uuid = f"GPU-{node.unique:016x}" if node.unique else ""
            cards.append(_card(device, index, uuid, _amd_library(answers, device, node, rules)))
    return tuple(cards)


def intel_cards(answers: Answers, rules: CardRules) -> tuple[Card, ...]:
    """The cards that i915 or xe drives, by bus address; they have no UUID."""
    return tuple(
        _card(device, index, "", VULKAN if rules.vulkan_serves(is_integrated(device)) else "")
        for index, device in enumerate(answers.intel)
        if device.driver in DRIVERS[device.vendor]
    )


def is_integrated(device: Device) -> bool:
    """Whether a card of Intel's is part of the processor: it then has this place on the bus."""
    return device.bus.partition(":")[2] == "00:02.0"


def undriven(answers: Answers) -> list[Device]:
    """Cards of AMD and Intel whose kernel driver is another one, or none; not integrated Intels."""
    return [
        device
        for device in (*answers.amd, *answers.intel)
        if device.driver not in DRIVERS[device.vendor]
        and not (device in answers.intel and is_integrated(device))
    ]


def lacks_vulkan(answers: Answers, card: Card) -> bool:
    """Whether Vulkan's loader is missing, or its driver for a card."""
    names = [name for (name,) in answers.all("vulkan")]
    manifests = _MANIFESTS[vendor_of(card)]
    return "loader" not in names or not any(name.startswith(manifests) for name in names)


def vendor_of(card: Card) -> str:
    """The PCI vendor number of a card of AMD or Intel."""
    return next(vendor for vendor, drivers in DRIVERS.items() if card.driver in drivers)


def _amd_library(answers: Answers, device: Device, node: _Node, rules: CardRules) -> str:
    shared, has_memory = _shared(answers, device)
    memory = number(device.memory)
    is_small = 0 < memory <= _MOST_OWN
    is_rocm_integrated = (
        not has_memory and is_small and shared >= max(_LEAST_SHARED, _SHARED_TIMES * memory)
    )
    if rules.rocm_serves(node.target, is_rocm_integrated):
        return ROCM
    return VULKAN if rules.vulkan_serves(bool(shared) and not has_memory) else ""


def _shared(answers: Answers, device: Device) -> tuple[int, bool]:
    """Bytes of the host's memory that a card may use (0: unknown), and whether it has its own."""
    for bus, shared, memory in answers.all("shared"):
        if bus == device.bus:
            return number(shared), bool(memory)
    return 0, False


def _card(device: Device, index: int, uuid: str, library: str) -> Card:
    return Card(
        uuid=uuid,
        index=index,
        name=device.product or f"{MAKERS[device.vendor]} {device.device}",
        memory_mib=number(device.memory) // 2**20,
        used_mib=number(device.used) // 2**20,
        compute=(0, 0),
        bus=device.bus,
        driver=device.driver,
        mig=None,
        persistence=True,
        library=library,
    )


def _address(domain: int, location: int) -> str:
    """The PCI address of a node (kfd_topology.h: bus, device and function in one number)."""
    return f"{domain:04x}:{location >> 8 & 0xFF:02x}:{location >> 3 & 0x1F:02x}.{location & 7}"
