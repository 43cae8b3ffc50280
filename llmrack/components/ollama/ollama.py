"""Ollama: a pinned release, a user unit an instance, a guard against the LAN, and models."""

from __future__ import annotations

import json

from llmrack.components.gpu.gpu import WAIT
from llmrack.components.old_services.replacement import Successor, replacement
from llmrack.components.ollama import internet
from llmrack.components.ollama.engine_switch import EngineSwitch, engine_releases
from llmrack.components.ollama.folders import OllamaHome, home_of
from llmrack.components.ollama.instances import UndeclaredInstances
from llmrack.components.ollama.models import (
    CreatedModel,
    DeclaredModelsOnly,
    ModelsKept,
    OllamaModel,
    note_name,
)
from llmrack.components.ollama.release import release, sources
from llmrack.components.render import record, render, verbatim
from llmrack.resources.change import Resource
from llmrack.resources.files import Directory, File, Link
from llmrack.resources.packages import Packages
from llmrack.resources.releases import STAMP, Archive
from llmrack.resources.units import Unit
from llmrack.stack.engines import is_engine
from llmrack.stack.fleet import Fleet, Host, bracketed, own_address
from llmrack.stack.instances import EngineModel, Instance, instance_url
from llmrack.stack.kinds import kind_of
from llmrack.stack.ollama.instances import instances, models_folder
from llmrack.stack.ollama_models import engine_models, prunes, source_of
from llmrack.stack.schema import Stack
from llmrack.stack.settings import is_loopback

TEMPLATE = "llmrack-ollama@.service"
WARM_UP = "llmrack-warm-up@.service"
GUARD = "llmrack-guard.service"
# Seconds that loading everything declared `preload` may take.
WARM_UP_DEADLINE = 1800


def unit(name: str) -> str:
    """The user unit of the instance called ``name``."""
    return TEMPLATE.replace("@", f"@{name}")


def resources(stack: Stack, fleet: Fleet, host: Host, arch: str) -> list[Resource]:
    """The resources of a host that runs models; on others, the removal of earlier instances."""
    settings = host.settings
    home = home_of(host)
    declared_instances = instances(host) if is_engine(stack, host) else ()
    warm_up = _warm_up(stack, host, home, declared_instances)
    declared = [unit(instance.name) for instance in declared_instances]
    declared += [resource.unit for resource in warm_up if isinstance(resource, Unit)]
    undeclared = UndeclaredInstances(home.user, home.units, home.environments, frozenset(declared))
    if not declared_instances:
        return [undeclared, *internet.login_gone(host, serves=False)]
    directory = release(host, arch)
    current = Link(f"{home.releases}/current", directory, home.user)
    units = [_unit(host, home, instance, current) for instance in declared_instances]
    kept = ModelsKept(
        units[0].name, models_folder(settings), instance_url(host, declared_instances[0], host)
    )
    before = [current, *_files(stack, host, home, declared_instances), undeclared]
    guard = _guard(fleet, host, declared_instances)
    # It would shut out the clients of an old service: it starts when that has stopped.
    early, late = (guard[:-1], guard[-1:]) if settings.replaces else (guard, [])
    successor = Successor(
        "Ollama",
        True,
        tuple(one.unit for one in units),
        (*late, *units),
        (GUARD,) if late else (),
    )
    return [
        *early,
        Archive(directory, sources(host, arch), home.user, home.cache),
        *_folders(host, home, declared_instances),
        *before,
        *replacement(stack, host, successor),
        *late,
        *units,
        kept,
        EngineSwitch(
            home.user,
            f"{home.config}/ollama.before",
            current.path,
            f"{home.units}/{TEMPLATE}",
            home.environments,
            bracketed(own_address(settings.ollama_bind)),
            parts=tuple(part.name for part in [*before, *units, kept]),
            instances={started.name: started.unit for started in units},
            undeclared=undeclared,
        ),
        *internet.login_gone(host),
        engine_releases(settings, home, directory),
        *_models(stack, host, home, declared_instances[0]),
        *warm_up,
    ]


def _folders(host: Host, home: OllamaHome, declared: tuple[Instance, ...]) -> list[Resource]:
    folder = models_folder(host.settings)
    return [
        Directory(folder, home.user, by_root=not folder.startswith(f"{home.folder}/")),
        Directory(home.environments, home.user),
        Directory(home.notes, home.user),
        *(Directory(f"{home.data}/instances/{instance.name}", home.user) for instance in declared),
    ]


def _files(
    stack: Stack, host: Host, home: OllamaHome, declared: tuple[Instance, ...]
) -> list[Resource]:
    settings = host.settings
    folder = models_folder(settings)
    mount = settings.ollama_models_mount
    path = f"{home.units}/{TEMPLATE}"
    service = render(
        f"ollama/{TEMPLATE}.j2",
        version=settings.ollama_version,
        opt=home.releases,
        data=home.data,
        models=folder,
        mount=mount,
        instances=home.environments,
        gpu_required=settings.gpu_required,
        wait=WAIT,
        memory_max=settings.ollama_memory_max,
        tasks_max=settings.ollama_tasks_max,
        logins=internet.login_files(host),
        masked=internet.masked(host),
        record=record(
            *("%t/llmrack", "%n", path, f"{home.environments}/%i.env"),
            *internet.depends(host),
            f"{home.releases}/current/{STAMP}",
        ),
    )
    bind = bracketed(settings.ollama_bind)
    environments = [
        File(
            f"{home.environments}/{instance.name}.env",
            render(
                "ollama/instance.env.j2",
                environment={
                    "OLLAMA_HOST": f"{bind}:{instance.port}",
                    "OLLAMA_MODELS": folder,
                    **internet.variables(host),
                    **dict(instance.environment),
                },
                authority=internet.authority(host),
                gpus="none" if instance.gpus == () else " ".join(instance.gpus or ()),
            ),
            home.user,
        )
        for instance in declared
    ]
    return [*environments, *internet.programs(host), File(path, service, home.user)]


def _unit(host: Host, home: OllamaHome, instance: Instance, current: Link) -> Unit:
    files = (f"{home.units}/{TEMPLATE}", f"{home.environments}/{instance.name}.env")
    url = instance_url(host, instance, host)
    return Unit(
        unit(instance.name),
        home.user,
        depends=(*(File(path, "").name for path in files), *internet.names(host), current.name),
        ready=f"{url}/api/version",
        # Beside starting, it may wait a minute for its cards.
        deadline=120,
    )


def _models(stack: Stack, host: Host, home: OllamaHome, writer: Instance) -> list[Resource]:
    settings = host.settings
    folder, url = models_folder(settings), instance_url(host, writer, host)
    wanted = engine_models(stack, host)
    resources = [
        _model(model, home, folder, url, settings.ollama_pull_deadline) for model in wanted
    ]
    if prunes(stack, host):
        resources.append(DeclaredModelsOnly(frozenset(model.name for model in wanted), folder, url))
    return resources


def _model(model: EngineModel, home: OllamaHome, folder: str, url: str, stall: float) -> Resource:
    create = model.create
    if create is None:
        return OllamaModel(model.name, folder, url, stall, home.user)
    return CreatedModel(
        model.name,
        folder,
        url,
        source=source_of(create) or "",
        is_copy=create.copy_of is not None,
        recipe=create.digest,
        request=json.dumps(create.request, sort_keys=True),
        weights=create.sha256 or "",
        files=tuple((local.file, local.sha256) for local in create.files),
        note=f"{home.notes}/{note_name(model.name)}",
        user=home.user,
        stall=stall,
    )


def _warm_up(
    stack: Stack, host: Host, home: OllamaHome, declared: tuple[Instance, ...]
) -> list[Resource]:
    """The units that load the models declared ``preload`` whenever their server starts."""
    chat: list[str] = []
    embedding: list[str] = []
    for model in engine_models(stack, host):
        served = [stack.models[name] for name in model.public]
        if any(model_.preload for model_ in served):
            names = embedding if kind_of(served[0]) == "embedding" else chat
            names.append(model.name)
    if not (chat or embedding):
        return []
    program = File(f"{home.config}/warm-up", verbatim("ollama/warm-up.sh"), home.user)
    path = f"{home.units}/{WARM_UP}"
    service = File(
        path,
        render(
            f"ollama/{WARM_UP}.j2",
            instances=home.environments,
            program=program.path,
            address=bracketed(own_address(host.settings.ollama_bind)),
            chat=chat,
            embedding=embedding,
            deadline=WARM_UP_DEADLINE,
            record=record("%t/llmrack", "%n", path, program.path),
        ),
        home.user,
    )
    depends = [service.name, program.name, *(_resource_name(m) for m in engine_models(stack, host))]
    return [
        program,
        service,
        *(
            Unit(
                WARM_UP.replace("@", f"@{instance.name}"),
                home.user,
                depends=(f"Unit {unit(instance.name)}", *depends),
                deadline=WARM_UP_DEADLINE,
            )
            for instance in declared
        ),
    ]


def _resource_name(model: EngineModel) -> str:
    return f"{'CreatedModel' if model.create else 'OllamaModel'} {model.name}"


def _guard(fleet: Fleet, host: Host, declared: tuple[Instance, ...]) -> list[Resource]:
    """The firewall rules of a LAN bind, which let gateways through, and who is admitted; root's."""
    settings = host.settings
    if is_loopback(settings.ollama_bind) or not settings.ollama_guard:
        return []
    gateways = sorted({gateway.address for gateway in fleet.gateways} - {host.address})
    rules = File(
        "/etc/llmrack/guard.nft",
        render(
            "ollama/guard.nft.j2",
            ports=", ".join(str(instance.port) for instance in declared),
            admitted=(*gateways, *settings.ollama_admitted),
        ),
    )
    path = f"/etc/systemd/system/{GUARD}"
    unit_file = File(
        path,
        render(
            "ollama/llmrack-guard.service.j2",
            record=record("/run/llmrack", GUARD, path, rules.path),
        ),
    )
    return [
        Packages(("nftables",), "Packages of the guard", host.bundle_folder, host.downloads),
        Directory("/etc/llmrack", "root"),
        rules,
        unit_file,
        Unit(GUARD, None, depends=(rules.name, unit_file.name)),
    ]
