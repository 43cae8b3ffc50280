"""Ollama's instances on a host, as its settings declare them."""

from __future__ import annotations

from collections.abc import Iterator

from llmrack.stack.fleet import Host
from llmrack.stack.instances import ONLY, Instance
from llmrack.stack.ollama.backends import is_amd, rocm_digest
from llmrack.stack.settings import DeclaredInstance, Settings

# The name of the engine, of its component and of its providers' kind.
OLLAMA = "ollama"
# The default of OLLAMA_NUM_PARALLEL (envconfig/config.go of v0.34.4).
PARALLEL = 1
# Variables that choose GPUs; one of them is set for an instance that has cards of its own.
CUDA_SELECTOR, ROCM_SELECTOR = SELECTORS = ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")
# Vulkan uses cards that CUDA leaves alone. It is in Ollama's archive, and in use if the host has
# libvulkan (ollama/ollama#17609, #16592). An index that no device has hides all devices: ggml gives
# its Vulkan backend up (llama.cpp ggml/src/ggml-vulkan, ggml_vk_instance_init; Ollama's
# docs/gpu.mdx). An empty value would do for ggml, but is the same as none to Ollama's envconfig.
# It is not set for cards of AMD's on a host without ROCm's libraries: these have only Vulkan.
VULKAN_SELECTOR = "GGML_VK_VISIBLE_DEVICES"
NO_DEVICE = "-1"


def instances(host: Host) -> tuple[Instance, ...]:
    """The instances of ``host``; the first one is the writer.

    ``per-gpu`` has one for each card, in the order of the UUIDs, which depends neither on slots nor
    on the driver's numbering. There is none while the host's cards are not known.
    """
    settings = host.settings
    listed = []
    next_port = settings.ollama_port
    for number, (name, gpus, declared) in enumerate(_named(host)):
        port = declared.port if declared and declared.port else next_port
        next_port = port + 1
        variables = settings.ollama_extra_environment | settings.ollama_environment.variables()
        variables |= _selection(host, gpus)
        if declared and declared.environment:
            variables |= declared.environment.variables(only_set=True)
        if number:
            # Only one instance may write: Ollama does not lock the models directory, and a second
            # writer would prune it.
            variables["OLLAMA_NOPRUNE"] = "1"
        listed.append(
            Instance(
                engine=OLLAMA,
                name=name,
                bind=settings.ollama_bind,
                port=port,
                gpus=gpus,
                environment=tuple(sorted(variables.items())),
                writer=number == 0,
                context_length=int(variables["OLLAMA_CONTEXT_LENGTH"]),
                parallel=int(variables.get("OLLAMA_NUM_PARALLEL", PARALLEL)),
                priority=settings.ollama_priority,
                weight=settings.ollama_weight,
            )
        )
    return tuple(listed)


def _named(host: Host) -> Iterator[tuple[str, tuple[str, ...] | None, DeclaredInstance | None]]:
    declared = host.settings.ollama_instances
    if isinstance(declared, tuple):
        for instance in declared:
            yield instance.name, instance.gpus, instance
    elif declared == "one" or (host.gpus == () and not host.settings.gpu_required):
        yield ONLY, None, None
    else:
        for uuid in sorted(host.gpus or ()):
            yield uuid.partition("-")[2].lower()[:8], (uuid,), None


def _selection(host: Host, gpus: tuple[str, ...] | None) -> dict[str, str]:
    """The variables that leave an instance its cards, and hide all others."""
    if gpus is None:
        return {}
    if not gpus:
        return dict.fromkeys((*SELECTORS, VULKAN_SELECTOR), NO_DEVICE)
    has_rocm = rocm_digest(host) is not None
    if not all(map(is_amd, gpus)):
        hidden = (ROCM_SELECTOR, VULKAN_SELECTOR) if has_rocm else (VULKAN_SELECTOR,)
        return {CUDA_SELECTOR: ",".join(gpus)} | dict.fromkeys(hidden, NO_DEVICE)
    # CUDA's variable hides AMD's cards, too: HIP reads it (ml/device.go, updateVisibleDevicesEnv).
    chosen = {ROCM_SELECTOR: ",".join(gpus)}
    return chosen | {VULKAN_SELECTOR: NO_DEVICE} if has_rocm else chosen


def models_folder(settings: Settings) -> str:
    """The models directory, which all instances of a host share."""
    return settings.ollama_models or f"{settings.service_home}/.ollama/models"
