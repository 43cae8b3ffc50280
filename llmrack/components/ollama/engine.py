"""Ollama as an engine: its resources, its removals, and what a host must be fit for."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import ClassVar

from llmrack.components.engine import Engine, ModelSeen
from llmrack.components.gpu.gpus import gpus
from llmrack.components.ollama import ollama
from llmrack.components.ollama.engine_switch import EngineSwitch
from llmrack.components.ollama.folders import home_of
from llmrack.components.ollama.models_seen import models_part, seen_models
from llmrack.components.ollama.old_models import left_aside
from llmrack.components.ollama.pins import unpinned
from llmrack.resources.absent import PathsGone, UnitsGone
from llmrack.resources.change import Resource
from llmrack.resources.look import Look, Part, Seen
from llmrack.resources.ownership import KEPT
from llmrack.stack.fleet import Fleet, Host
from llmrack.stack.instances import EngineModel
from llmrack.stack.ollama.backends import needs_rocm, rocm_digest
from llmrack.stack.ollama.instances import OLLAMA, instances, models_folder
from llmrack.stack.ollama.names import normalised
from llmrack.stack.ollama_models import engine_models
from llmrack.stack.schema import Stack
from llmrack.stack.settings import ARCHIVES, ROCM


class Ollama(Engine):
    """Ollama, as llmrack installs and runs it."""

    name: ClassVar[str] = OLLAMA
    title: ClassVar[str] = "Ollama"
    port_setting: ClassVar[str] = "ollama_port"

    def architectures(self, host: Host) -> Collection[str]:
        """Those that the settings have a digest for."""
        return [arch for arch in ARCHIVES if arch in host.settings.ollama_sha256]

    def resources(self, stack: Stack, fleet: Fleet, host: Host, arch: str) -> list[Resource]:
        """Its release, its instances, its guard, its models."""
        return ollama.resources(stack, fleet, host, arch)

    def removals(self, host: Host) -> list[Resource]:
        """Units, guard, releases, instances; models where the settings say so."""
        home, folder = home_of(host), models_folder(host.settings)
        removals: list[Resource] = [
            UnitsGone("Ollama", home.units, ("llmrack-ollama*", "llmrack-warm-up*"), home.user),
            UnitsGone(
                "Ollama's guard",
                "/etc/systemd/system",
                (ollama.GUARD,),
                after="nft delete table inet llmrack 2>/dev/null; :",
            ),
            PathsGone(
                "Ollama's releases and instances",
                (home.releases, f"{home.data}/instances", f"{home.data}/cuda-cache"),
                home.user,
                (f"{home.folder}/.local/opt", f"{home.folder}/.local"),
            ),
            PathsGone("Guard's rules", ("/etc/llmrack/guard.nft",)),
        ]
        if host.settings.remove_models:
            parts = tuple(f"{folder}/{part}" for part in ("manifests", "blobs", ".llmrack"))
            # The home, too, where only the models were left of it.
            empty = (folder, home.data, home.folder)
            removals.append(PathsGone("Models", parts, home.user, empty))
        return removals

    def models(self, stack: Stack, host: Host) -> list[EngineModel]:
        """Bases before what is made from them, else by name."""
        return engine_models(stack, host)

    def full_name(self, model: str) -> str:
        """With its tag."""
        return normalised(model)

    def unit(self, instance: str) -> str:
        """As in ``llmrack-ollama@main.service``."""
        return ollama.unit(instance)

    def releases_folder(self, host: Host) -> str:
        """Below the service user's home."""
        return home_of(host).releases

    def home_folders(self, host: Host) -> list[str]:
        """For releases, and for what it writes."""
        home = home_of(host)
        return [home.releases, home.data]

    def models_folder(self, host: Host) -> str:
        """The models directory, which all instances share."""
        return models_folder(host.settings)

    def models_part(self, folder: str) -> Part:
        """Its manifests, and whether their blobs are there."""
        return models_part(folder)

    def models_seen(self, seen: Seen) -> Mapping[str, ModelSeen]:
        """With their tags."""
        return seen_models(seen)

    def look(self, host: Host, look: Look) -> None:
        """Whether the models directory can be used, and whether limits are enforced."""
        settings = host.settings
        look.access.add((settings.service_user, models_folder(settings)))
        if settings.ollama_models_mount:
            look.mounts.add(settings.ollama_models_mount)
        if settings.ollama_memory_max or settings.ollama_tasks_max:
            look.controllers.add(settings.service_user)

    def lacks_release(self, host: Host, arch: str) -> str | None:
        """A digest is missing, or the archive that is to be sent."""
        if arch not in host.settings.ollama_sha256:
            return f"ollama_sha256 has no digest for {arch}: add the one of that archive"
        if (
            needs_rocm(host)
            and host.settings.gpu_required
            and arch == "amd64"
            and not rocm_digest(host)
        ):
            return _without_rocm(host)
        archive = host.settings.ollama_archive
        if archive and not Path(archive).is_file():
            return f"there is no file {archive}: correct ollama_archive"
        return None

    def unusable(self, host: Host, seen: Seen) -> str | None:
        """Why the models directory cannot be used, or instances have not their own cards alone."""
        settings = host.settings
        if wrong := unpinned(instances(host), gpus(seen, settings)):
            return wrong
        folder, mount = models_folder(settings), settings.ollama_models_mount
        if mount and mount not in seen.mounts:
            return (
                f"nothing is mounted at {mount}, and the models would fill the disk below it: "
                "mount it (see /etc/fstab), or drop ollama_models_mount"
            )
        verdict, place = seen.access.get(folder, ("ok", ""))
        if verdict in ("ok", "root") or f"{KEPT}{folder}" in seen.made:
            return None
        if place.startswith(settings.service_home) and settings.service_user not in seen.users:
            return None
        user = settings.service_user
        cause, way_out = {
            "closed": (
                f"{user} may not enter {place}",
                f"chmod o+x {place}, or add {user} to its group",
            ),
            "read-only": (
                f"{user} may not write to {place}",
                # It cannot be given to a user who is still to be made.
                f"chown {user}: {place}" if user in seen.users else "name a folder below it",
            ),
        }.get(verdict, (f"{place} is not a folder", "move it away"))
        disk = seen.disks.get(folder)
        if disk and disk.read_only:
            cause = f"the filesystem at {disk.mount} is mounted read-only"
            way_out = f"find out why (dmesg), then mount -o remount,rw {disk.mount}"
        return (
            f"the models directory {folder} cannot be used: {cause}; {way_out}, or set "
            "ollama_models"
        )

    def notes(self, host: Host, seen: Seen) -> list[str]:
        """Limits that have no effect, and models of an old Ollama that would not be used."""
        return [*_without_effect(host, seen), *left_aside(host.settings, seen)]

    def batch(self, host: Host) -> int:
        """As the settings say."""
        return host.settings.ollama_batch

    def switch(self, resources: Collection[Resource]) -> EngineSwitch | None:
        """The one among them."""
        return next(
            (resource for resource in resources if isinstance(resource, EngineSwitch)), None
        )


def _without_effect(host: Host, seen: Seen) -> list[str]:
    """Declared limits that the user managers of this host cannot enforce."""
    settings = host.settings
    limits = {
        "ollama_memory_max": ("memory", settings.ollama_memory_max),
        "ollama_tasks_max": ("pids", settings.ollama_tasks_max),
    }
    known = seen.fact("controllers").split()
    if "controllers" not in seen.facts:
        return []
    return [
        f"{setting} has no effect here: user managers have no {controller} controller; boot "
        f"with systemd.unified_cgroup_hierarchy=1, and without cgroup_disable={controller}"
        for setting, (controller, limit) in limits.items()
        if limit and controller not in known
    ]


def _without_rocm(host: Host) -> str:
    cause = "it has a card of AMD's, which needs ROCm's libraries"
    if host.bundle:
        return (
            f"{cause}, and {host.bundle.folder} has none: run `llmrack bundle create` again where "
            "there is internet"
        )
    return (
        f"{cause}, and ollama_sha256 has no digest for their archive: add {ROCM!r} with that of "
        f"ollama-linux-{ROCM}.tar.zst (`llmrack pin ollama {host.settings.ollama_version}` says "
        "it)"
    )
