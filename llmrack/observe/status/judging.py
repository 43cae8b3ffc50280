"""Judges the answers of hosts and servers: which servers are well, which are not, and why."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from llmrack.components.engines import engine_of, unit_of
from llmrack.components.gateway.service import COLOURS, SOCKET, service
from llmrack.hosts.connection import Unreached
from llmrack.observe.providers.gateway_health import GatewayHealth
from llmrack.observe.status.answers import HostAnswer, ServerAnswer
from llmrack.observe.status.server_status import (
    CardUse,
    Loaded,
    ModelInfo,
    ServerState,
    ServerStatus,
)
from llmrack.stack.fleet import Host, bracketed, own_address
from llmrack.stack.instances import Instance, instance_name, needs_gpu
from llmrack.stack.providers import Provider
from llmrack.stack.schema import Stack
from llmrack.stack.settings import is_loopback
from llmrack.verify.exchange import dig, whole_number
from llmrack.verify.model_descriptions import capabilities_of, context_length_of

KIND_GATEWAY = "gateway"
DEPLOY = "run: pyinfra inventory deploy.py"
# A model that stays loaded for longer than this stays for good.
FOR_GOOD = timedelta(days=3650)


def gateway_status(host: Host, answer: HostAnswer) -> ServerStatus:
    """The gateway of ``host``."""
    settings = host.settings
    url = _url(host, settings.gateway_bind, settings.gateway_port)
    state, why = _without_answer(host, answer.seen)
    gateway: Mapping[str, Any] = {}
    if not isinstance(answer.seen, Unreached) and not why:
        gateway = dig(answer.seen, "gateway") or {}
        state, why = _gateway_state(gateway, answer.seen["units"])
    if state == "trouble":
        why = answer.port_taken(settings.gateway_bind, settings.gateway_port, "gateway_port") + why
    if again := answer.run_again(""):
        state, why = "trouble", "; ".join(filter(None, [again, why]))
    return ServerStatus(
        *(host.name, KIND_GATEWAY, host.name, url, True, None, state, why),
        version=dig(gateway, "version"),
        checked=answer.checked,
        latency=dig(gateway, "latency"),
    )


def _gateway_state(gateway: Mapping[str, Any], units: Mapping[str, Any]) -> tuple[ServerState, str]:
    services = [units.get(service(colour), {}) for colour in COLOURS]
    running = [unit for unit in services if unit.get("ActiveState") == "active"]
    if not running:
        states = ", ".join(f"{unit.get('Id')} is {unit.get('SubState')}" for unit in services)
        return "trouble", f"it does not run ({states}); see its journal, or deploy"
    if dig(units, SOCKET, "ActiveState") != "active":
        return "trouble", f"{SOCKET} does not listen; start it, or deploy"
    if "error" in gateway:
        return "trouble", f"{gateway['error']}; see the journal of {running[0]['Id']}"
    return "ok", _restarts(running)


def instance_status(
    stack: Stack,
    host: Host,
    instance: Instance,
    answer: HostAnswer,
    health: Sequence[GatewayHealth],
) -> ServerStatus:
    """An instance of our own.

    + health: each gateway's view of it
    """
    name = instance_name(host, instance)
    providers = [
        provider for provider in stack.providers.values() if instance in provider.instances(host)
    ]
    used = [provider for provider in providers if provider.enabled]
    state, why = _without_answer(host, answer.seen)
    seen: Mapping[str, Any] = {}
    if not isinstance(answer.seen, Unreached) and not why:
        seen = answer.seen["instances"][name]
        unit_state = answer.seen["units"].get(unit_of(instance), {})
        watched = any(provider.health_check for provider in used)
        wrong = [
            *_wrong(stack, host, instance, seen, unit_state),
            *_aside(name, health, watched),
        ]
        state, why = ("trouble", "; ".join(wrong)) if wrong else ("ok", _restarts([unit_state]))
    if state == "trouble":
        setting = engine_of(instance).port_setting
        why = answer.port_taken(instance.bind, instance.port, setting) + why
    if again := answer.run_again(name):
        state, why = "trouble", "; ".join(filter(None, [again, why]))
    return ServerStatus(
        name,
        providers[0].kind,
        host.name,
        _url(host, instance.bind, instance.port),
        enabled=bool(used),
        priority=instance.priority or (used or providers)[0].priority,
        state=state if used else "off",
        why=why,
        version=dig(seen, "version"),
        checked=answer.checked,
        latency=dig(seen, "latency"),
        loaded=loaded_of(dig(seen, "loaded")),
        cards=tuple(_cards(instance, answer.seen)),
        models=tuple(_models(stack, host, instance, dig(seen, "models") or ())),
    )


def _wrong(
    stack: Stack,
    host: Host,
    instance: Instance,
    seen: Mapping[str, Any],
    unit_state: Mapping[str, str],
) -> Iterator[str]:
    """The failures of an instance.

    + seen: its answer
    """
    if unit_state.get("ActiveState") != "active":
        yield f"{unit_of(instance)} is {unit_state.get('SubState', 'not there')}; {DEPLOY}"
        return
    if "error" in seen:
        yield f"{seen['error']}; see the journal of {unit_of(instance)}"
        return
    declared = engine_of(instance).models(stack, host)
    has = {engine_of(instance).full_name(str(model["name"])) for model in seen["models"]}
    lacks = [model.name for model in declared if model.name not in has]
    if lacks:
        yield f"not there: {', '.join(lacks)}; {DEPLOY}"
    if needs_gpu(host, instance):
        split = {
            model.name
            for model in declared
            if any(stack.models[name].gpu_split for name in model.public)
        }
        for loaded in loaded_of(seen["loaded"]):
            if not loaded.on_gpu:
                yield f"{loaded.model} runs on the CPU; llmrack status --gpus may tell why"
            elif loaded.on_gpu < 1 and loaded.model not in split:
                share = f"{loaded.on_gpu:.0%}"
                yield f"{loaded.model} is on the GPU with {share} of it; free its memory"


def elsewhere_status(
    name: str,
    provider: Provider,
    answers: Mapping[str, ServerAnswer],
    health: Sequence[GatewayHealth],
) -> ServerStatus:
    """A provider that runs elsewhere: its worst state at any gateway.

    + answers: by gateway; empty if no gateway asked
    + health: each gateway's view of it
    """
    state: ServerState = "off"
    why, shown = "", ServerAnswer(datetime.now(UTC))
    if provider.enabled:
        state, why = "unknown", "the inventory has no gateway to ask it from"
    judged = []
    for gateway, answer in answers.items():
        of_gateway = [judgement for judgement in health if judgement.gateway == gateway]
        aside = list(_aside(name, of_gateway, provider.health_check))
        seen_state, seen_why = _elsewhere_state(answer, aside)
        by = f" (asked from {gateway})" if seen_why and len(answers) > 1 else ""
        judged.append((seen_state, seen_why + by, answer))
    if judged:
        # A gateway that cannot be asked says nothing against it.
        order = ("unknown", "ok", "trouble")
        state, why, shown = max(judged, key=lambda judgement: order.index(judgement[0]))
    return ServerStatus(
        name,
        provider.kind,
        None,
        (provider.remote.url or provider.remote.base) if provider.remote else "",
        provider.enabled,
        provider.priority,
        state,
        why,
        version=shown.version,
        checked=shown.checked,
        latency=shown.latency,
        loaded=shown.loaded,
        models=shown.models,
    )


def _elsewhere_state(answer: ServerAnswer, aside: Sequence[str]) -> tuple[ServerState, str]:
    if isinstance(answer.trouble, Unreached):
        return "unknown", f"the gateway's host could not be asked: {answer.trouble}"
    wrong = [str(answer.trouble)] if answer.trouble else [*answer.missing]
    wrong += aside
    return ("trouble", "; ".join(wrong)) if wrong else ("ok", "")


def loaded_of(listed: object) -> tuple[Loaded, ...]:
    """The models of an answer of ``/api/ps``."""
    loaded = []
    for model in listed if isinstance(listed, list) else ():
        size, on_gpu = whole_number(model, "size"), whole_number(model, "size_vram")
        share = on_gpu / size if size else 0.0
        until = _until(dig(model, "expires_at"))
        loaded.append(Loaded(str(dig(model, "name")), size, share, until))
    return tuple(loaded)


def _until(text: object) -> str | None:
    try:
        at = datetime.fromisoformat(str(text)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    if at > datetime.now(UTC) + FOR_GOOD:
        return None
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def _models(
    stack: Stack, host: Host, instance: Instance, listed: Sequence[object]
) -> Iterator[ModelInfo]:
    engine = engine_of(instance)
    declared = {model.name for model in engine.models(stack, host)}
    for model in listed:
        shown = dig(model, "shown")
        if shown is None:
            continue
        name = str(dig(model, "name"))
        trained = context_length_of(shown)
        baked = re.search(r"^num_ctx\s+(\d+)", str(dig(shown, "parameters")), re.MULTILINE)
        served = int(baked[1] if baked else instance.context_length) or trained
        # Ollama's limit is the context that a model was trained for (llm/server.go).
        length = min(served, trained) if served and trained else served
        yield ModelInfo(
            name,
            length,
            capabilities_of(shown) or (),
            whole_number(model, "size") or None,
            engine.full_name(name) in declared,
        )


def _cards(instance: Instance, seen: Mapping[str, Any] | Unreached) -> Iterator[CardUse]:
    """The cards that an instance may use; for a slice, its whole card."""
    pinned = instance.gpus
    for card in () if isinstance(seen, Unreached) else seen.get("cards", ()):
        sliced = pinned is not None and any(uuid.startswith("MIG-") for uuid in pinned)
        if pinned is None or sliced or card["uuid"] in pinned:
            yield CardUse(
                card["name"],
                card["use_percent"],
                card["temperature"],
                card["used_mib"] or 0,
                card["memory_mib"] or 0,
            )


def _without_answer(host: Host, seen: Mapping[str, Any] | Unreached) -> tuple[ServerState, str]:
    """The state of a host's servers if the host did not answer; no reason if it did."""
    if isinstance(seen, Unreached):
        return "unknown", f"{host.name} could not be asked: {seen}"
    if "units" not in seen:
        return "trouble", f"there is no user {host.settings.service_user!r} yet; {DEPLOY}"
    return "ok", ""


def _aside(name: str, health: Sequence[GatewayHealth], watched: bool) -> Iterator[str]:
    """The gateways that have put a server aside, and why."""
    # Only a client's request can show that an unwatched server is well again.
    until = "" if watched else "; the next request tries it again"
    for gateway in health:
        for rest in gateway.rests.get(name, ()):
            yield f"gateway {gateway.gateway}: {rest}{until}"


def _restarts(units: Sequence[Mapping[str, str]]) -> str:
    times = sum(int(unit.get("NRestarts") or 0) for unit in units)
    return f"systemd has restarted it {times} time{'s' if times > 1 else ''}" if times else ""


def _url(host: Host, bind: str, port: int) -> str:
    """A server's URL for other hosts; for its own host only, if it is bound to loopback."""
    return f"http://{bracketed(own_address(bind) if is_loopback(bind) else host.address)}:{port}"
