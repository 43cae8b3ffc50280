"""What a removal takes from a host, in the opposite order of a deploy."""

from __future__ import annotations

from llmrack.components.gateway import gateway
from llmrack.components.gpu import gpu
from llmrack.components.gpu.driver import GpuDriverFilesGone
from llmrack.components.monitor import monitor
from llmrack.components.monitor.prometheus import SERVICE
from llmrack.components.ollama import ollama
from llmrack.components.ollama.models_seen import seen_models
from llmrack.components.system.account_removal import AccountGone
from llmrack.components.system.system import VERSION
from llmrack.resources.absent import (
    DropInGone,
    LineGone,
    NotesGone,
    PackagesGone,
    PathsGone,
    UnitsGone,
)
from llmrack.resources.change import Resource
from llmrack.resources.look import Seen
from llmrack.stack.engines import models_folder
from llmrack.stack.fleet import Host
from llmrack.stack.home import Home

SYSTEM_UNITS = "/etc/systemd/system"


def removals(host: Host) -> dict[str, list[Resource]]:
    """What ``host`` shall no longer have, by component; all of it needs root.

    It is found by where it lies and what it is called, whatever is declared at present.
    """
    home = host.home
    return {
        "monitor": _monitor(home),
        "gateway": _gateway(host, home),
        "ollama": _ollama(host, home),
        "gpu": _gpu(),
        "system": _system(host, home),
    }


def _monitor(home: Home) -> list[Resource]:
    return [
        UnitsGone("the exporter's metrics", home.units, ("llmrack-metrics*",), home.user),
        *(
            DropInGone(service, f"{SYSTEM_UNITS}/{service}.d/llmrack.conf", service[:-8])
            for service in (SERVICE, monitor.EXPORTER)
        ),
        UnitsGone(
            "the exporter's guard",
            SYSTEM_UNITS,
            (monitor.GUARD,),
            after=_no_table("llmrack_monitor"),
        ),
        PathsGone(
            "Monitor's files",
            (monitor.FOLDER, monitor.KEY_FILE, "/etc/llmrack/monitor", monitor.METRICS),
        ),
    ]


def _gateway(host: Host, home: Home) -> list[Resource]:
    return [
        UnitsGone(
            "the gateway",
            home.units,
            ("llmrack-gateway*",),
            home.user,
            # It finishes what it was asked.
            timeout=host.settings.gateway_drain + 120,
        ),
        PathsGone(
            "Gateway's releases, keys and log",
            (home.gateway, gateway.environment_file(home), home.requests.rpartition("/")[0]),
            home.user,
            (f"{home.folder}/.local/state",),
        ),
        LineGone(gateway.key_line(home)),
    ]


def _ollama(host: Host, home: Home) -> list[Resource]:
    folder = models_folder(host.settings)
    found: list[Resource] = [
        UnitsGone("Ollama", home.units, ("llmrack-ollama*", "llmrack-warm-up*"), home.user),
        UnitsGone("Ollama's guard", SYSTEM_UNITS, (ollama.GUARD,), after=_no_table("llmrack")),
        PathsGone(
            "Ollama's releases and instances",
            (home.ollama, f"{home.ollama_data}/instances", f"{home.ollama_data}/cuda-cache"),
            home.user,
            (f"{home.folder}/.local/opt", f"{home.folder}/.local"),
        ),
        PathsGone("Guard's rules", ("/etc/llmrack/guard.nft",)),
    ]
    if host.settings.remove_models:
        parts = tuple(f"{folder}/{part}" for part in ("manifests", "blobs", ".llmrack"))
        # The home, too, where only the models were left of it.
        empty = (folder, home.ollama_data, home.folder)
        found.append(PathsGone("Models", parts, home.user, empty))
    return found


def _gpu() -> list[Resource]:
    return [
        UnitsGone("the GPUs", SYSTEM_UNITS, ("llmrack-gpu*",)),
        PathsGone("GPUs' programs", (gpu.PROGRAMS,)),
        GpuDriverFilesGone(),
    ]


def _system(host: Host, home: Home) -> list[Resource]:
    settings = host.settings
    folders = (".config/systemd/user", ".config/systemd", ".config", ".cache", ".ollama")
    return [
        PathsGone(
            "Files of the service user",
            (home.config, home.cache),
            home.user,
            tuple(f"{home.folder}/{each}" for each in folders),
            after='rm -rf "/run/user/$(id -u)/llmrack"',
        ),
        AccountGone(home.user, home.folder, models_folder(settings), settings.remove_models),
        PackagesGone(),
        PathsGone("Files of root", ("/etc/llmrack", VERSION, "/var/tmp/llmrack-*")),  # noqa: S108  (ours)
        NotesGone(),
    ]


def _no_table(name: str) -> str:
    return f"nft delete table inet {name} 2>/dev/null; :"


def stays(host: Host, seen: Seen) -> list[str]:
    """What a removal leaves on ``host``, and why: a sentence each."""
    settings = host.settings
    user, found = settings.service_user, []
    if seen_models(seen) and not settings.remove_models:
        found.append(
            f"{len(seen_models(seen))} models stay in {models_folder(settings)}: "
            "--data remove_models=true removes them, too"
        )
    if user in seen.users and f"user {user}" not in seen.made:
        found.append(f"the user {user} stays: nothing notes that llmrack made it")
        if user in seen.linger and f"linger {user}" not in seen.made:
            found.append(f"linger of {user} stays: nothing notes that llmrack enabled it")
        if not any(line.startswith("package ") for line in seen.made):
            found.append("all packages stay: nothing notes that llmrack installed any")
    noted = {line.removeprefix("package ") for line in seen.made}
    if needed := sorted(noted & seen.packages - seen.removable):
        found.append(
            "packages stay, as others need them or their configuration was edited: "
            + ", ".join(needed)
        )
    return found
