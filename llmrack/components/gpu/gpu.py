"""GPUs of a host that runs models: their driver, their device files at boot, after a suspend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from llmrack.components.gpu.driver import GpuDriver, problem
from llmrack.components.gpu.gpus import Gpus, gpus, uuids
from llmrack.components.gpu.states import Cure, State
from llmrack.components.render import record, render, verbatim
from llmrack.resources.change import Resource
from llmrack.resources.files import Directory, File
from llmrack.resources.look import Seen
from llmrack.resources.units import Unit
from llmrack.stack.fleet import Host
from llmrack.stack.instances import Instance

PROGRAMS = "/usr/local/lib/llmrack"
WAIT = f"{PROGRAMS}/wait-for-gpu"
UNIT = "llmrack-gpu.service"
RESUME = "llmrack-gpu-resume.service"
# Seconds a unit waits for its GPUs.
WAIT_DEADLINE = 60


def resources(host: Host) -> list[Resource]:
    """The GPU resources of a host that runs models; needs root.

    If no GPU is required, only the driver is looked at, and the host uses the cards that it has.
    """
    settings = host.settings
    driver = GpuDriver(settings, host.downloads)
    if not settings.gpu_required:
        return [driver]
    programs = [
        File(
            WAIT, render("gpu/wait-for-gpu.j2", deadline=WAIT_DEADLINE, rocm=host.rocm), mode=0o755
        ),
        *(
            File(f"{PROGRAMS}/{name}", verbatim(f"gpu/{name}"), mode=0o755)
            for name in ("gpu-devices", "gpu-resume")
        ),
    ]
    folder = "/etc/systemd/system"
    resume = File(
        f"{folder}/{RESUME}",
        render(f"gpu/{RESUME}.j2", programs=PROGRAMS, user=settings.service_user),
    )
    noted = (f"{folder}/{UNIT}", resume.path, f"{PROGRAMS}/gpu-devices")
    unit = File(
        f"{folder}/{UNIT}",
        render(
            f"gpu/{UNIT}.j2",
            programs=PROGRAMS,
            resume=RESUME,
            record=record("/run/llmrack", UNIT, *noted),
        ),
    )
    return [
        driver,
        Directory(PROGRAMS, "root"),
        *programs,
        resume,
        unit,
        Unit(UNIT, None, depends=(unit.name, resume.name, programs[1].name)),
    ]


def refusal(host: Host, seen: Seen, instances: Sequence[Instance]) -> str | None:
    """Why a host that runs models must not be deployed to, or None.

    Without a required GPU, Ollama would fall back to the CPU in silence. A state that the run
    itself mends (``gpu_driver``, ``gpu_reboot``) is no reason.
    """
    cards = gpus(seen, host.settings)
    return (
        problem(host.settings, seen)
        or _unknown_card(instances, cards)
        or _nameless_card(host, cards)
        or None
    )


def with_seen_cards(host: Host, seen: Seen) -> Host:
    """``host`` with what follows from its cards: instances, and archives of a release.

    A host whose cards fail keeps those that it had.
    """
    cards = gpus(seen, host.settings)
    is_known = cards.state is State.FINE or cards.finding.cure is Cure.DEPLOY
    if host.settings.gpu_required and not is_known:
        return host
    named = tuple(uuids(cards)) if host.settings.instances_follow_cards else host.gpus
    return replace(host, gpus=named, rocm=cards.rocm)


def _unknown_card(instances: Sequence[Instance], seen_gpus: Gpus) -> str | None:
    """Why an instance could not have its cards; None until a driver shows the cards."""
    if not seen_gpus.cards and seen_gpus.state is not State.NONE:
        return None
    present = uuids(seen_gpus)
    for instance in instances:
        for uuid in instance.gpus or ():
            # As CUDA does, which takes the beginning of a UUID for it.
            if not any(card.startswith(uuid) for card in present):
                return (
                    f"its instance {instance.name} is to have the card {uuid}, but its cards are "
                    f"{', '.join(present) or 'none'}: correct ollama_instances"
                )
    return None


def _nameless_card(host: Host, seen_gpus: Gpus) -> str | None:
    """Why a host cannot have an instance for each card: a card has no UUID."""
    nameless = [card.bus for card in seen_gpus.cards if not card.uuid]
    if not (nameless and host.settings.instances_follow_cards and host.settings.gpu_required):
        return None
    return (
        f"its card at {nameless[0]} has no UUID by which an instance could be given it alone: set "
        "ollama_instances to 'one'"
    )
