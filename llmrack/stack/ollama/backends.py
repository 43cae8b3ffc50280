"""Which of Ollama's libraries for GPUs uses a card: CUDA, ROCm, Vulkan, or none.

Source: ollama/ollama at v0.33, discover/runner.go (filterIntegratedGPUs, PreferredLibrary),
discover/amd.go, and envconfig/config.go. Vulkan is in Ollama's archive and on by default; where
CUDA or ROCm knows the same card, Ollama prefers these.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from llmrack.stack.fleet import Host
from llmrack.stack.ollama_environment import OllamaEnvironment
from llmrack.stack.settings import ROCM, Settings

# What ROCm's libraries of a release are built for (llama/server/CMakePresets.json,
# rocm_v7_2_linux). Ollama leaves every other target to Vulkan.
ROCM_TARGETS = frozenset(
    (
        *("gfx908", "gfx90a", "gfx942", "gfx950", "gfx1030", "gfx1100", "gfx1101", "gfx1102"),
        *("gfx1150", "gfx1151", "gfx1200", "gfx1201"),
    )
)
# An AMD card's UUID (ROCR_VISIBLE_DEVICES); NVIDIA's are those of RFC 4122.
_AMD_UUID = re.compile(r"GPU-[0-9a-f]{16}")
# Integrated cards that ROCm uses unless it is told otherwise (Ryzen AI Max).
_INTEGRATED_TARGETS = frozenset(("gfx1151",))


@dataclass(frozen=True)
class CardRules:
    """What a host's settings say about the use of its cards.

    + target: the LLVM target that HSA_OVERRIDE_GFX_VERSION makes of AMD's cards, or empty
    + integrated: OLLAMA_IGPU_ENABLE; None: Ollama's own choice
    + vulkan: whether Vulkan may be used at all
    + rocm: the same for ROCm
    """

    target: str = ""
    integrated: bool | None = None
    vulkan: bool = True
    rocm: bool = True

    def rocm_serves(self, target: str, integrated: bool) -> bool:
        """Whether ROCm uses a card of AMD's.

        + target: its LLVM target, as in ``gfx1100``; empty if it is not known
        + integrated: whether it shares the memory of the processor
        """
        meant = self.target or target
        if not self.rocm or not target or meant not in ROCM_TARGETS:
            return False
        if not integrated:
            return True
        return meant in _INTEGRATED_TARGETS if self.integrated is None else self.integrated

    def vulkan_serves(self, integrated: bool) -> bool:
        """Whether Vulkan uses a card that no other library uses."""
        return self.vulkan and (not integrated or self.integrated is True)


def card_rules(settings: Settings) -> CardRules:
    """The rules for a host; of its instances, those that declare a rule have a say, too."""
    declared = settings.ollama_instances
    listed = declared if isinstance(declared, tuple) else ()
    environments = [settings.ollama_environment]
    environments += [entry.environment for entry in listed if entry.environment]
    library = _first(environments, "OLLAMA_LLM_LIBRARY")
    integrated, vulkan = (
        _first(environments, name) for name in ("OLLAMA_IGPU_ENABLE", "OLLAMA_VULKAN")
    )
    return CardRules(
        _target(str(_first(environments, "HSA_OVERRIDE_GFX_VERSION") or "")),
        integrated if isinstance(integrated, bool) else None,
        vulkan is not False and library in (None, "", "vulkan"),
        not library or str(library).startswith("rocm"),
    )


def needs_rocm(host: Host) -> bool:
    """Whether the host has a card that ROCm uses, and an instance that may have that card."""
    return host.rocm and may_use_rocm(host)


def may_use_rocm(host: Host) -> bool:
    """Whether an instance may have a card of AMD's, as far as its cards are known."""
    declared = host.settings.ollama_instances
    cards: list[tuple[str, ...] | None]
    if isinstance(declared, tuple):
        cards = [instance.gpus for instance in declared]
    else:
        cards = [host.gpus if declared == "per-gpu" else None]
    return any(gpus is None or any(map(is_amd, gpus)) for gpus in cards)


def is_amd(uuid: str) -> bool:
    """Whether a card is AMD's."""
    return _AMD_UUID.fullmatch(uuid) is not None


def rocm_digest(host: Host) -> str | None:
    """SHA-256 of the archive with ROCm's libraries, if the host gets it; else None."""
    return host.settings.ollama_sha256.get(ROCM) if needs_rocm(host) else None


def target_of(version: int) -> str:
    """The LLVM target that the kernel's compute topology shows as a number (gfx_target_version).

    ``110000`` is gfx1100, ``90010`` is gfx90a; 0 stands for none.
    """
    major, minor, stepping = version // 10_000, version // 100 % 100, version % 100
    return f"gfx{major}{minor:x}{stepping:x}" if version else ""


def _first(environments: list[OllamaEnvironment], name: str) -> object:
    values = (getattr(environment, name) for environment in environments)
    return next((value for value in values if value is not None), None)


def _target(override: str) -> str:
    """The target of an override, which is ``11.0.0`` or ``gfx1100`` (rocmGFXTargetOverride)."""
    if re.fullmatch(r"gfx[0-9a-f]{3,}", override):
        return override
    parts = override.split(".")
    if len(parts) != 3 or not all(part.isdigit() and int(part) < 16 for part in parts):
        return ""
    return f"gfx{int(parts[0])}{int(parts[1]):x}{int(parts[2]):x}"
