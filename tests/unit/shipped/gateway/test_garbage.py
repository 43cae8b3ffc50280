"""The gateway's garbage is collected between the steps of tasks, never in the middle of one."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Iterator
from typing import ClassVar

import pytest

from llmrack.shipped.gateway import garbage

OLD = sys.version_info < (3, 12)


class Cycle:
    """Garbage that only a collection finds; it notes whether that was in the middle of a step."""

    stepping = False
    freed: ClassVar[list[bool]] = []

    def __init__(self) -> None:
        self.me = self

    def __del__(self) -> None:
        Cycle.freed.append(Cycle.stepping)


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    Cycle.freed = []
    yield
    gc.enable()
    gc.unfreeze()


def test_nothing_is_collected_while_modules_are_imported() -> None:
    garbage.collect_nothing()
    assert not gc.isenabled()


async def _makes_garbage() -> None:
    garbage.collect_nothing()
    garbage.collect_between_steps(asyncio.get_running_loop())
    for _ in range(3):
        Cycle.stepping = True
        for _ in range(2000):
            Cycle()
        Cycle.stepping = False
        await asyncio.sleep(2 * garbage.PERIOD)


@pytest.mark.skipif(not OLD, reason="this Python collects between instructions")
def test_garbage_is_collected_between_steps() -> None:
    asyncio.run(_makes_garbage())
    assert len(Cycle.freed) == 6000
    assert not any(Cycle.freed)


@pytest.mark.skipif(OLD, reason="this Python collects where it allocates")
def test_a_python_that_is_safe_collects_by_itself() -> None:
    asyncio.run(_makes_garbage())
    assert gc.isenabled()
