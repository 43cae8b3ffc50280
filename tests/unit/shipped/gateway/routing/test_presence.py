"""Pods have names while they are ready; the gateway asks those that have one."""

from __future__ import annotations

import asyncio
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from llmrack.shipped.gateway.routing import presence
from llmrack.shipped.gateway.routing.health import Instance, Rest
from llmrack.shipped.gateway.routing.presence import Presence, whole_name

HOST = "gpu-0.gpu.ml.svc"
GONE = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
NOBODY = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not this machine's."""
    monkeypatch.setattr(presence, "RESOLVER", tmp_path / "resolv.conf")
    (tmp_path / "resolv.conf").write_text("")


@pytest.fixture
def instance() -> Instance:
    return Instance("gpu-0", watched=True)


@pytest.mark.parametrize(
    ("resolver", "name"),
    [
        (
            "search ml.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\n",
            "gpu-0.gpu.ml.svc.cluster.local.",
        ),
        ("search svc.k8s.example.org lan\n", "gpu-0.gpu.ml.svc.k8s.example.org."),
        ("nameserver 10.0.0.1\nsearch lan\n", HOST),
        ("", HOST),
    ],
)
def test_a_pod_is_looked_up_by_its_whole_name(resolver: str, name: str) -> None:
    assert whole_name(HOST, resolver) == name


def look(instance: Instance, *answers: Exception | None) -> None:
    """Look as often as there are answers of the DNS."""

    async def looks() -> None:
        presence = Presence({"gpu-0": instance, "elsewhere": Instance("b", True)}, {"gpu-0": HOST})
        loop = asyncio.get_running_loop()
        for answer in answers:

            async def resolve(host: str, *_: Any, said: Any = answer, **__: Any) -> list[Any]:
                assert host == HOST
                if said:
                    raise said
                return []

            loop.getaddrinfo = resolve  # type: ignore[method-assign,assignment]
            await presence.look()

    asyncio.run(looks())


def test_who_has_no_name_is_not_asked(instance: Instance) -> None:
    look(instance, GONE)
    assert not instance.can_be_asked("llama3.2", time.monotonic())


def test_who_has_its_name_again_is_asked(instance: Instance) -> None:
    look(instance, GONE, None)
    assert instance.can_be_asked("llama3.2", time.monotonic())


def test_while_nobody_can_be_asked_for_names_all_stays(instance: Instance) -> None:
    look(instance, GONE, NOBODY)
    assert instance.absent
    look(instance, None, NOBODY)
    assert not instance.absent


def test_what_was_wrong_with_a_pod_ends_with_it(instance: Instance) -> None:
    instance.put_aside(Rest(time.monotonic() + 60, "no connection"), "gpu-0")
    model = instance.model("llama3.2")
    model.put_aside(Rest(time.monotonic() + 60, "failed"), "gpu-0/llama3.2")
    look(instance, None)
    assert instance.rest and model.rest
    look(instance, GONE)
    assert instance.rest is None and model.rest is None


def test_without_names_nobody_looks(instance: Instance) -> None:
    asyncio.run(asyncio.wait_for(Presence({"gpu-0": instance}, {}).run(), 5))
