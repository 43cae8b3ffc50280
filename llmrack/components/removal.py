"""The resources of a removal, in the opposite order of a deploy."""

from __future__ import annotations

from llmrack.components.engines import ENGINES, models_folder, models_seen
from llmrack.components.gateway import gateway
from llmrack.components.gpu import gpu
from llmrack.components.gpu.driver import GpuDriverFilesGone
from llmrack.components.monitor import monitor
from llmrack.components.monitor.prometheus import SERVICE
from llmrack.components.old_services.replacement import NoLongerReplaced
from llmrack.components.system.account_removal import AccountGone
from llmrack.components.system.authority import AuthorityGone
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
from llmrack.stack.fleet import Host
from llmrack.stack.home import Home

SYSTEM_UNITS = "/etc/systemd/system"


def removals(host: Host) -> dict[str, list[Resource]]:
    """What is removed from ``host``, by component; all of it needs root.

    It is found by its place and its name, whatever is declared at present.
    """
    home = host.home
    return {
        "monitor": _monitor(home),
        "gateway": _gateway(host, home),
        **{name: engine.removals(host) for name, engine in ENGINES.items()},
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
            after="nft delete table inet llmrack_monitor 2>/dev/null; :",
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
            # It finishes its requests.
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


def _gpu() -> list[Resource]:
    return [
        UnitsGone("the GPUs", SYSTEM_UNITS, ("llmrack-gpu*",)),
        PathsGone("GPUs' programs", (gpu.PROGRAMS,)),
        GpuDriverFilesGone(),
    ]


def _system(host: Host, home: Home) -> list[Resource]:
    settings = host.settings
    parts = (".config/systemd/user", ".config/systemd", ".config", ".cache")
    folders = [f"{home.folder}/{part}" for part in parts]
    folders += [folder for engine in ENGINES.values() for folder in engine.home_folders(host)]
    return [
        NoLongerReplaced(),
        PathsGone(
            "Files of the service user",
            (home.config, home.cache),
            home.user,
            tuple(folders),
            after='rm -rf "/run/user/$(id -u)/llmrack"',
        ),
        AuthorityGone(),
        AccountGone(home.user, home.folder, models_folder(host), settings.remove_models),
        PackagesGone(),
        PathsGone("Files of root", ("/etc/llmrack", VERSION, "/var/tmp/llmrack-*")),  # noqa: S108  (ours)
        NotesGone(),
    ]


def stays(host: Host, seen: Seen) -> list[str]:
    """A sentence for each thing that a removal leaves on ``host``, with the reason."""
    settings = host.settings
    user, reasons = settings.service_user, []
    if models_seen(seen) and not settings.remove_models:
        reasons.append(
            f"{len(models_seen(seen))} models stay in {models_folder(host)}: "
            "--data remove_models=true removes them, too"
        )
    if user in seen.users and f"user {user}" not in seen.made:
        reasons.append(f"the user {user} stays: nothing notes that llmrack made it")
        if user in seen.linger and f"linger {user}" not in seen.made:
            reasons.append(f"linger of {user} stays: nothing notes that llmrack enabled it")
        if not any(line.startswith("package ") for line in seen.made):
            reasons.append("all packages stay: nothing notes that llmrack installed any")
    noted = {line.removeprefix("package ") for line in seen.made}
    if needed := sorted(noted & seen.packages - seen.removable):
        reasons.append(
            "packages stay, as others need them or their configuration was edited: "
            + ", ".join(needed)
        )
    return reasons
