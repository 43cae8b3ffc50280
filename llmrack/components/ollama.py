"""Ollama: a pinned release, its user unit, its guard against the LAN, and its models."""

from __future__ import annotations

from llmrack.components.paths import Home
from llmrack.components.render import record, render
from llmrack.resources.change import Resource
from llmrack.resources.files import Directory, File, Link
from llmrack.resources.model import OllamaModel
from llmrack.resources.packages import Packages
from llmrack.resources.releases import STAMP, Archive
from llmrack.resources.units import Unit
from llmrack.stack.fleet import Fleet, Host, bracketed, engine_models, engine_url, is_engine
from llmrack.stack.schema import Stack
from llmrack.stack.settings import is_loopback

UNIT = "llmrack-ollama.service"
GUARD = "llmrack-guard.service"
OFFICIAL = "https://github.com/ollama/ollama/releases/download"


def archive_urls(host: Host, arch: str) -> tuple[str, ...]:
    """Where the release comes from: the mirror first, then the official place.

    + arch: ``amd64`` or ``arm64``
    """
    settings = host.settings
    file = f"v{settings.ollama_version}/ollama-linux-{arch}.tar.zst"
    bases = [settings.ollama_mirror] if settings.ollama_mirror else []
    return tuple(f"{base.rstrip('/')}/{file}" for base in [*bases, OFFICIAL])


def manifest_url(model: str) -> str:
    """Where the registry has the manifest of ``model``, which names its layers' sizes."""
    name, _, tag = model.rpartition(":") if ":" in model else (model, ":", "latest")
    path = name if "/" in name else f"library/{name}"
    return f"https://registry.ollama.ai/v2/{path}/manifests/{tag}"


def release(host: Host, arch: str) -> str:
    """The release's directory: a new pin is a new directory, even for the same version."""
    settings = host.settings
    home = Home(settings.service_user, settings.service_home)
    return f"{home.ollama}/{settings.ollama_version}-{settings.ollama_sha256[arch][:8]}"  # type: ignore[index]


def resources(stack: Stack, fleet: Fleet, host: Host, arch: str) -> list[Resource]:
    """What a host that runs models gets; nothing for others."""
    if not is_engine(stack, host):
        return []
    settings = host.settings
    home = Home(settings.service_user, settings.service_home)
    directory = release(host, arch)
    url = engine_url(host, host)
    unit_file = File(f"{home.units}/{UNIT}", _unit(host, home), home.user)
    current = Link(f"{home.ollama}/current", directory, home.user)
    return [
        *_guard(fleet, host),
        Archive(
            path=directory,
            sha256=settings.ollama_sha256[arch],  # type: ignore[index]
            owner=home.user,
            cache=home.cache,
            upload=settings.ollama_archive,
            urls=archive_urls(host, arch),
        ),
        current,
        unit_file,
        Unit(
            UNIT,
            home.user,
            depends=(unit_file.name, current.name),
            ready=f"curl -fs -o /dev/null --noproxy '*' --max-time 2 {url}/api/version",
        ),
        *(
            OllamaModel(model, url, settings.ollama_pull_deadline)
            for model in engine_models(stack, host)
        ),
    ]


def _unit(host: Host, home: Home) -> str:
    settings = host.settings
    bind = bracketed(settings.ollama_bind)
    environment = {
        "OLLAMA_HOST": f"{bind}:{settings.ollama_port}",
        "OLLAMA_MODELS": f"{home.ollama_data}/models",
        **settings.ollama_environment.variables(),
    }
    return render(
        "ollama/llmrack-ollama.service.j2",
        version=settings.ollama_version,
        environment=environment,
        opt=home.ollama,
        data=home.ollama_data,
        record=record("%t/llmrack", UNIT, f"{home.units}/{UNIT}", f"{home.ollama}/current/{STAMP}"),
    )


def _guard(fleet: Fleet, host: Host) -> list[Resource]:
    """A LAN bind is guarded: only the gateways get through (needs root)."""
    settings = host.settings
    if is_loopback(settings.ollama_bind) or not settings.ollama_guard:
        return []
    gateways = sorted({gateway.address for gateway in fleet.gateways} - {host.address})
    rules = File(
        "/etc/llmrack/guard.nft",
        render("ollama/guard.nft.j2", port=settings.ollama_port, gateways=gateways),
    )
    path = f"/etc/systemd/system/{GUARD}"
    unit = File(
        path,
        render(
            "ollama/llmrack-guard.service.j2",
            record=record("/run/llmrack", GUARD, path, rules.path),
        ),
    )
    return [
        Packages(("nftables",), name="Packages of the guard"),
        Directory("/etc/llmrack", "root"),
        rules,
        unit,
        Unit(GUARD, None, depends=(rules.name, unit.name)),
    ]
