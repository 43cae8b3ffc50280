"""From what hosts and servers said to rows: who is well, who is not, and why."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from llmrack.components.gateway.service import COLOURS, SOCKET, service
from llmrack.components.ollama.ollama import unit
from llmrack.hosts.connection import Unreached
from llmrack.observe.providers.discovery import capabilities_of, context_length_of
from llmrack.observe.providers.gateway_health import GatewayHealth
from llmrack.observe.status.rows import CardUse, Loaded, ModelInfo, Row, State
from llmrack.stack.fleet import Host, bracketed, own_address
from llmrack.stack.instances import Instance, instance_name, needs_gpu
from llmrack.stack.ollama.names import normalised
from llmrack.stack.ollama_models import engine_models
from llmrack.stack.providers import Provider
from llmrack.stack.schema import Stack
from llmrack.stack.settings import is_loopback
from llmrack.verify.causes import Trouble
from llmrack.verify.exchange import dig

KIND_GATEWAY = "gateway"
DEPLOY = "run: pyinfra inventory deploy.py"
# Loaded for longer than this is loaded for good.
FOR_GOOD = timedelta(days=3650)


@dataclass(frozen=True)
class Told:
    """What came of asking a host.

    + seen: what ``status_script`` printed; empty where the service user is missing
    + checked: when, in UTC
    """

    seen: Mapping[str, Any] | Unreached
    checked: datetime


@dataclass(frozen=True)
class Heard:
    """What came of asking a server elsewhere from one gateway.

    + trouble: why it is of no use; None where it answers
    + missing: a sentence for each declared model that it does not list
    """

    checked: datetime
    trouble: Trouble | Unreached | None = None
    latency: float | None = None
    version: str | None = None
    missing: tuple[str, ...] = ()
    loaded: tuple[Loaded, ...] = ()
    models: tuple[ModelInfo, ...] = ()


def gateway_row(host: Host, told: Told) -> Row:
    """The gateway of ``host``."""
    settings = host.settings
    url = _url(host, settings.gateway_bind, settings.gateway_port)
    state, why = _unseen(host, told.seen)
    said: Mapping[str, Any] = {}
    if not isinstance(told.seen, Unreached) and not why:
        said = dig(told.seen, "gateway") or {}
        state, why = _gateway_state(said, told.seen["units"])
    return Row(
        *(host.name, KIND_GATEWAY, host.name, url, True, None, state, why),
        version=dig(said, "version"),
        checked=told.checked,
        latency=dig(said, "latency"),
    )


def _gateway_state(said: Mapping[str, Any], units: Mapping[str, Any]) -> tuple[State, str]:
    services = [units.get(service(colour), {}) for colour in COLOURS]
    running = [each for each in services if each.get("ActiveState") == "active"]
    if not running:
        states = ", ".join(f"{each.get('Id')} is {each.get('SubState')}" for each in services)
        return "trouble", f"it does not run ({states}); see its journal, or deploy"
    if dig(units, SOCKET, "ActiveState") != "active":
        return "trouble", f"{SOCKET} does not listen; start it, or deploy"
    if "error" in said:
        return "trouble", f"{said['error']}; see the journal of {running[0]['Id']}"
    return "ok", _restarts(running)


def instance_row(
    stack: Stack, host: Host, instance: Instance, told: Told, health: Sequence[GatewayHealth]
) -> Row:
    """An Ollama instance of our own.

    + health: what each gateway thinks
    """
    name = instance_name(host, instance)
    providers = [each for each in stack.providers.values() if instance in each.instances(host)]
    used = [each for each in providers if each.enabled]
    state, why = _unseen(host, told.seen)
    said: Mapping[str, Any] = {}
    loaded: tuple[Loaded, ...] = ()
    if not isinstance(told.seen, Unreached) and not why:
        said = told.seen["instances"][name]
        loaded = loaded_of(dig(said, "loaded"))
        its_unit = told.seen["units"].get(unit(instance.name), {})
        watched = any(each.health_check for each in used)
        wrong = [
            *_wrong(stack, host, instance, said, its_unit, loaded),
            *_aside(name, health, watched),
        ]
        state, why = ("trouble", "; ".join(wrong)) if wrong else ("ok", _restarts([its_unit]))
    return Row(
        name,
        providers[0].kind,
        host.name,
        _url(host, instance.bind, instance.port),
        enabled=bool(used),
        priority=instance.priority or (used or providers)[0].priority,
        state=state if used else "off",
        why=why,
        version=dig(said, "version"),
        checked=told.checked,
        latency=dig(said, "latency"),
        loaded=loaded,
        cards=tuple(_cards(instance, told.seen)),
        models=tuple(_models(stack, host, instance, dig(said, "models") or ())),
    )


def _wrong(
    stack: Stack,
    host: Host,
    instance: Instance,
    said: Mapping[str, Any],
    its_unit: Mapping[str, str],
    loaded: Sequence[Loaded],
) -> Iterator[str]:
    if its_unit.get("ActiveState") != "active":
        yield f"{unit(instance.name)} is {its_unit.get('SubState', 'not there')}; {DEPLOY}"
        return
    if "error" in said:
        yield f"{said['error']}; see the journal of {unit(instance.name)}"
        return
    has = {normalised(str(each["name"])) for each in said["models"]}
    lacks = [each.name for each in engine_models(stack, host) if each.name not in has]
    if lacks:
        yield f"not there: {', '.join(lacks)}; {DEPLOY}"
    if needs_gpu(host, instance):
        split = {
            each.name
            for each in engine_models(stack, host)
            if any(stack.models[name].gpu_split for name in each.public)
        }
        for each in loaded:
            if not each.on_gpu:
                yield f"{each.model} runs on the CPU; llmrack status --gpus may tell why"
            elif each.on_gpu < 1 and each.model not in split:
                yield f"{each.model} is on the GPU with {each.on_gpu:.0%} of it; free its memory"


def elsewhere_row(
    name: str, provider: Provider, heard: Mapping[str, Heard], health: Sequence[GatewayHealth]
) -> Row:
    """A provider that runs elsewhere, as the gateway sees it that fares worst with it.

    + heard: by gateway; empty where nobody asked
    + health: what each gateway thinks
    """
    state: State = "off"
    why, said = "", Heard(datetime.now(UTC))
    if provider.enabled:
        state, why = "unknown", "the inventory has no gateway to ask it from"
    judged = []
    for gateway, each in heard.items():
        own = [one for one in health if one.gateway == gateway]
        its_state, its_why = _elsewhere_state(each, list(_aside(name, own, provider.health_check)))
        by = f" (asked from {gateway})" if its_why and len(heard) > 1 else ""
        judged.append((its_state, its_why + by, each))
    if judged:
        # A gateway that cannot be asked says nothing against it.
        state, why, said = max(judged, key=lambda one: ("unknown", "ok", "trouble").index(one[0]))
    return Row(
        name,
        provider.kind,
        None,
        provider.remote.url if provider.remote else "",
        provider.enabled,
        provider.priority,
        state,
        why,
        version=said.version,
        checked=said.checked,
        latency=said.latency,
        loaded=said.loaded,
        models=said.models,
    )


def _elsewhere_state(heard: Heard, aside: Sequence[str]) -> tuple[State, str]:
    if isinstance(heard.trouble, Unreached):
        return "unknown", f"the gateway's host could not be asked: {heard.trouble}"
    wrong = [str(heard.trouble)] if heard.trouble else [*heard.missing]
    wrong += aside
    return ("trouble", "; ".join(wrong)) if wrong else ("ok", "")


def loaded_of(listed: object) -> tuple[Loaded, ...]:
    """The models of an answer of ``/api/ps``."""
    found = []
    for each in listed if isinstance(listed, list) else ():
        size, on_gpu = _whole(each, "size"), _whole(each, "size_vram")
        share = on_gpu / size if size else 0.0
        found.append(Loaded(str(dig(each, "name")), size, share, _until(dig(each, "expires_at"))))
    return tuple(found)


def _until(said: object) -> str | None:
    try:
        at = datetime.fromisoformat(str(said)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    if at > datetime.now(UTC) + FOR_GOOD:
        return None
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def _models(
    stack: Stack, host: Host, instance: Instance, listed: Sequence[object]
) -> Iterator[ModelInfo]:
    declared = {each.name for each in engine_models(stack, host)}
    default = instance.context_length
    for each in listed:
        shown = dig(each, "shown")
        if shown is None:
            continue
        name = str(dig(each, "name"))
        trained = context_length_of(shown)
        baked = re.search(r"^num_ctx\s+(\d+)", str(dig(shown, "parameters")), re.MULTILINE)
        served = int(baked[1] if baked else default) or trained
        # Ollama goes no further than what a model was trained for (llm/server.go).
        length = min(served, trained) if served and trained else served
        yield ModelInfo(
            name,
            length,
            capabilities_of(shown) or (),
            _whole(each, "size") or None,
            normalised(name) in declared,
        )


def _cards(instance: Instance, seen: Mapping[str, Any] | Unreached) -> Iterator[CardUse]:
    """Those that the instance may use; slices of a card are not told apart from it."""
    own = instance.gpus
    for each in () if isinstance(seen, Unreached) else seen.get("cards", ()):
        if own is None or each["uuid"] in own or any(name.startswith("MIG-") for name in own):
            yield CardUse(
                each["name"],
                each["use_percent"],
                each["temperature"],
                each["used_mib"] or 0,
                each["memory_mib"] or 0,
            )


def _unseen(host: Host, seen: Mapping[str, Any] | Unreached) -> tuple[State, str]:
    """Why nothing is known of what runs on a host; no reason where something is."""
    if isinstance(seen, Unreached):
        return "unknown", f"{host.name} could not be asked: {seen}"
    if not seen:
        return "trouble", f"there is no user {host.settings.service_user!r} yet; {DEPLOY}"
    return "ok", ""


def _aside(name: str, health: Sequence[GatewayHealth], watched: bool) -> Iterator[str]:
    # Nobody but a client's request finds out whether one that is not watched is well again.
    until = "" if watched else "; the next request tries it again"
    for each in health:
        for rest in each.rests.get(name, ()):
            yield f"gateway {each.gateway}: {rest}{until}"


def _restarts(units: Sequence[Mapping[str, str]]) -> str:
    times = sum(int(each.get("NRestarts") or 0) for each in units)
    return f"systemd has restarted it {times} time{'s' if times > 1 else ''}" if times else ""


def _url(host: Host, bind: str, port: int) -> str:
    """Where others reach it; only the host itself does where it is bound to loopback."""
    return f"http://{bracketed(own_address(bind) if is_loopback(bind) else host.address)}:{port}"


def _whole(data: object, key: str) -> int:
    value = dig(data, key)
    return value if isinstance(value, int) else 0
