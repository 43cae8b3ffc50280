"""Makes this process end itself, as by ``kill -9``, where the environment says; import it once.

+ KILLED_AT=N: in the middle of the Nth step of changes from now on, or just after a short one; at
  the latest when the proof begins
+ KILLED_AT=upload: in the middle of a file that is sent
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gevent

from llmrack.deploy import operations

# Before its functions are replaced: the proof is no step of a change.
from llmrack.deploy.proof import requests as ask
from llmrack.deploy.run.scripts import shell
from llmrack.deploy.transfer import bundled
from llmrack.hosts.progress import transfer
from llmrack.resources.change import Shell

AT = os.environ["KILLED_AT"]
# Seconds that a step gets: most are done by then, and the long ones are not.
MOMENT = 0.3

_steps = 0


def _die(where: str) -> bool:
    print(f"killed {where}", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
    return False


def _counted(work: Callable[..., str], is_step: Callable[[Any], bool]) -> Callable[..., str]:
    def counted(rack: Any, action: Any) -> str:
        global _steps
        if not is_step(action):
            return work(rack, action)
        _steps += 1
        if _steps < int(AT):
            return work(rack, action)
        begun = gevent.spawn(work, rack, action)
        begun.join(MOMENT)
        _die(f"{'in' if not begun.ready() else 'after'} a step on {rack.host.name}")
        return ""

    return counted


def _at_the_proof(rack: Any) -> list[Any]:
    _die("at the proof")
    return []


@contextmanager
def _half_sent(host: Any, name: str) -> Iterator[Callable[[int, int], None]]:
    with transfer(host, name) as meter:

        def die_at_half(sent: int, size: int) -> None:
            meter(sent, size)
            if sent >= size // 2:
                _die("in an upload")

        yield die_at_half


if AT == "upload":
    bundled.transfer = _half_sent  # type: ignore[attr-defined, assignment]
else:
    operations.shell = _counted(shell, lambda action: True)  # type: ignore[attr-defined]
    operations._do = _counted(operations._do, lambda action: not isinstance(action, Shell))
    ask.ask = _at_the_proof
