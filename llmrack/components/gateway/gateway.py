"""The gateway: LiteLLM in a release, its configuration from the stack, a socket, two colours."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any

from llmrack.components.gateway.laid_over import LaidOver
from llmrack.components.gateway.routing import authorities, routing
from llmrack.components.gateway.service import (
    COLOURS,
    SOCKET,
    GatewayService,
    gateway_releases,
    service,
)
from llmrack.components.old_services.replacement import Successor, replacement
from llmrack.components.render import record, render
from llmrack.resources.change import Resource
from llmrack.resources.files import Directory, EnvironmentFile, File, Line
from llmrack.resources.releases import STAMP, Release, Venv
from llmrack.resources.units import Unit
from llmrack.shipped import package
from llmrack.site.locks import litellm_version, locks
from llmrack.site.secret_names import OLLAMA_KEY, secret_names
from llmrack.site.site import Site
from llmrack.stack.deployments import deployments
from llmrack.stack.fleet import GATEWAY_GROUP, Fleet, Host, bracketed
from llmrack.stack.home import Home
from llmrack.stack.kinds import MODES, kind_of
from llmrack.stack.models import Model, Price
from llmrack.stack.providers import Provider
from llmrack.stack.proxies import with_direct_providers
from llmrack.stack.schema import Stack

SERVICE = "llmrack-gateway@.service"
# The programs at the top of every release: the unit starts the first one, a deploy and a rollback
# start the other.
STARTED = ("serve", "gate")
# The oldest that LoadCredential= was seen to work with in a user unit (Debian 12; 257 does too).
# LoadCredentialEncrypted= does not there: the user manager may not read the host's key (257.13).
CREDENTIALS_SYSTEMD = 252


def configuration(stack: Stack, fleet: Fleet, host: Host) -> str:
    """LiteLLM's config.yaml for the gateway on ``host``."""
    rows: list[dict[str, Any]] = []
    for deployment in deployments(stack, fleet, host):
        model = stack.models[deployment.model]
        provider = stack.providers[deployment.provider]
        rows.append(
            {
                "name": deployment.name,
                "litellm_model": deployment.litellm_model,
                "url": provider.address(deployment.url),
                "key": f"os.environ/{deployment.secret}" if deployment.secret else provider.keyless,
                "parameters": provider.parameters,
                "id": deployment.id,
                "timeout": model.timeout or provider.timeout,
                "stream_timeout": model.stream_timeout or provider.stream_timeout,
                "max_parallel_requests": model.max_parallel_requests
                or provider.max_parallel_requests,
                "rpm": model.rpm or provider.rpm,
                "tpm": model.tpm or provider.tpm,
                "headers": _headers(provider),
                "mode": MODES[kind_of(model)],
                "speaks_openai": provider.speaks_openai,
                "price": _price(model, provider),
            }
        )
    # LiteLLM looks them up by the name that was asked for, an alias as well as any other.
    chains = {
        "fallbacks": {name: stack.chain(name) for name in stack.listed},
        "context_window_fallbacks": {
            name: stack.special_chain(stack.context_window_chains, name) for name in stack.listed
        },
        "content_policy_fallbacks": {
            name: stack.special_chain(stack.content_policy_chains, name) for name in stack.listed
        },
    }
    chains = {
        kind: {name: chain for name, chain in of_kind.items() if chain}
        for kind, of_kind in chains.items()
    }
    return render(
        "gateway/config.yaml.j2",
        deployments=rows,
        chains={kind: of_kind for kind, of_kind in chains.items() if of_kind},
        aliases={name: to for name, to in stack.aliases.items() if name in stack.listed},
        limited=any(row["rpm"] or row["tpm"] for row in rows),
        metrics=bool(fleet.monitors),
        laid=LaidOver(stack.litellm),
    )


def _price(model: Model, provider: Provider) -> Price | None:
    """The price that LiteLLM is given; None if it looks the price up itself."""
    nothing = None if provider.in_price_list else Price(input=0, output=0)
    return model.price or nothing


def _headers(provider: Provider) -> dict[str, str]:
    """LiteLLM's ``extra_headers``."""
    remote = provider.remote
    if remote is None:
        return {}
    references = {name: f"os.environ/{key}" for name, key in remote.secret_headers.items()}
    return remote.headers | references


def has_credentials(systemd: int) -> bool:
    """Whether this version of systemd has credentials for user units."""
    return systemd >= CREDENTIALS_SYSTEMD


def way_of_keys(systemd: int) -> str:
    """A sentence on how a gateway gets its keys with this version of systemd."""
    if has_credentials(systemd):
        return f"the gateway gets its keys as a systemd credential (systemd {systemd})"
    return (
        "the gateway gets its keys in its environment: user units have systemd credentials from "
        f"systemd {CREDENTIALS_SYSTEMD} on, and this is {systemd}"
    )


def resources(site: Site, host: Host, nonce: str, credentials: bool) -> list[Resource]:
    """The resources of a host of the group ``gateway``; none for others. See ``by_component``."""
    if GATEWAY_GROUP not in host.groups:
        return []
    stack, fleet, secrets = site.stack, site.fleet, site.secrets
    settings = host.settings
    home = host.home
    lock, uv_lock = locks(host.bundle)
    folder = host.bundle.folder if host.bundle else None
    path = f"{home.gateway}/venvs/{_short(lock + uv_lock)}"
    venv = Venv(path, lock, uv_lock, home.user, folder, host.downloads)
    files = {
        "config.yaml": configuration(stack, fleet, host),
        "routing.json": routing(stack, fleet, host),
        "keys.json": site.client_keys,
        **authorities(stack),
        "litellm.env": variables(stack, host),
        **programs(),
    }
    directory = f"{home.gateway}/releases/{_short(venv.path + repr(sorted(files.items())))}"
    release = Release(directory, home.user, tuple(files.items()), links=(("venv", venv.path),))
    environment = EnvironmentFile(
        environment_file(home),
        {name: secrets[name] for name in _secret_names(stack, host) if name in secrets},
        home.user,
        nonce,
    )
    setting = "LoadCredential=gateway.env:" if credentials else "EnvironmentFile="
    keys = f"{setting}{environment.path}"
    units = _units(host, home, environment.path, keys)
    socket = Unit(SOCKET, home.user, depends=(units[0].name,))
    gateway = GatewayService(
        home.user,
        home.gateway,
        directory,
        keys,
        environment.path,
        tuple(environment.values),
        units[1].path,
        settings.gateway_drain,
        depends=(release.name, environment.name, units[1].name),
    )
    started = (SOCKET, *map(service, COLOURS))
    return [
        venv,
        release,
        environment,
        *([key_line(home)] if OLLAMA_KEY in environment.values else ()),
        *units,
        Directory(home.requests, home.user, 0o700),
        *replacement(stack, host, Successor("the gateway", False, started, (socket, gateway))),
        socket,
        gateway,
        *gateway_releases(settings, home, release, venv),
    ]


def variables(stack: Stack, host: Host) -> str:
    """The variables of the gateway on ``host``; without secrets."""
    trusted = host.authority or ""
    return render(
        "gateway/litellm.env.j2",
        drain=host.settings.gateway_drain,
        proxy=with_direct_providers(stack, host.proxy) if host.proxy else None,
        authority=hashlib.sha256(trusted.encode()).hexdigest() if trusted else "",
    )


def _secret_names(stack: Stack, host: Host) -> list[str]:
    login = host.proxy.login if host.proxy else None
    return sorted({*secret_names(stack), *([login] if login else ())})


@cache
def programs() -> dict[str, str]:
    """The Python files of a release, by their paths in it."""
    return package("gateway") | {
        f"{module}.py": render("gateway/program.py.j2", module=module) for module in STARTED
    }


def _units(host: Host, home: Home, env_file: str, keys: str) -> list[File]:
    settings = host.settings
    bind = bracketed(settings.gateway_bind)
    socket_path, service_path = f"{home.units}/{SOCKET}", f"{home.units}/{SERVICE}"
    socket = render(
        "gateway/llmrack-gateway.socket.j2",
        bind=bind,
        port=settings.gateway_port,
        record=record("%t/llmrack", SOCKET, socket_path),
    )
    service = render(
        "gateway/llmrack-gateway@.service.j2",
        version=litellm_version(locks(host.bundle)[0]),
        keys=keys,
        base=home.gateway,
        drain=settings.gateway_drain,
        requests=home.requests,
        log_days=settings.gateway_log_days,
        record=record("%t/llmrack", "%n", service_path, env_file, f"{home.gateway}/%i/{STAMP}"),
    )
    return [File(socket_path, socket, home.user), File(service_path, service, home.user)]


def key_line(home: Home) -> Line:
    """The line of ~/.profile that gives OLLAMA_API_KEY to later shells of the service user."""
    path = environment_file(home)
    line = (
        f"[ -r {path} ] && OLLAMA_API_KEY=$(sed -n 's/^OLLAMA_API_KEY=//p' "
        f"{path}) && export OLLAMA_API_KEY  # llmrack"
    )
    return Line(f"{home.folder}/.profile", line, home.user)


def environment_file(home: Home) -> str:
    """The file with the gateway's keys."""
    return f"{home.config}/gateway.env"


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
