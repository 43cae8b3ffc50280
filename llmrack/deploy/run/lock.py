"""One run at a time changes a host: who does is known there, and a dead run holds nobody up.

A process on the host holds a lock of the kernel's for as long as it hears from this run. It ends
with the connection, and after ``PATIENCE`` seconds without a sign of life, so that neither a power
cut on one of the two sides nor a half-open connection leaves a lock behind.

What such a run has at work on the host may outlive it. So its scripts (``guarded``) hold a second
lock that the next run waits for, and do nothing where their run's lock has gone to another one.
"""

from __future__ import annotations

import getpass
import os
import re
import socket
from contextlib import suppress
from typing import IO

import gevent
from paramiko import SSHException
from pyinfra.api import QuoteString, StringCommand

from llmrack.deploy.run.held import BUSY, HELD, LAST_RUN, Lock
from llmrack.deploy.run.rack import Rack
from llmrack.hosts.connection import BROKEN, reason
from llmrack.hosts.streams import start
from llmrack.resources.script import script_text

# Seconds between two signs of life, without one, and for scripts of a dead run to end.
BEAT, PATIENCE, LEFTOVERS = 5, 60, 600


def take(rack: Rack) -> str:
    """Take the host's lock, unless this run has it; why that cannot be, or an empty text.

    One that was lost, as by a reboot, is taken anew. It is refused when another run has it, and
    when another run has changed the host since this one first looked, as for a plan.
    """
    if rack.lock and not rack.lock.is_lost():
        return ""
    run = rack.run.nonce[:8]
    words = (run, _who(), str(os.getpid()), rack.run.last_runs.get(rack.host.name, ""))
    command = hold(*words)
    answer = "the host gave no answer"
    try:
        stream = start(rack.pyinfra_host, command)
        stream.patience(LEFTOVERS + PATIENCE)
        for line in stream.stdout:
            verdict, _, rest = line.decode(errors="replace").strip().partition(" ")
            if verdict == "held":
                gevent.spawn(_beat, stream.stdin)
                rack.lock = Lock(run, stream.has_ended)
                return ""
            if verdict == "waiting":
                text = "waiting until what a run that broke off left at work has ended"
                rack.say(text)
                # It changes what was seen.
                rack.forget()
            elif verdict in ("busy", "stale", "leftovers"):
                return refusal(verdict, rest)
            else:
                answer = f"{verdict} {rest}"
    except BROKEN as error:
        answer = reason(error)
    return f"its lock cannot be taken: {answer}"


def hold(run: str, who: str, process: str, last_run: str) -> StringCommand:
    """What holds the lock on the host, and says so in its first line.

    + run: the id of this run
    + last_run: what ``LAST_RUN`` had in it when this run first looked
    """
    words = (run, who, process, last_run, HELD, BUSY, LAST_RUN, str(PATIENCE), str(LEFTOVERS))
    script = QuoteString(script_text("deploy/hold-lock.sh"))
    return StringCommand("bash", "-c", script, "llmrack", *map(QuoteString, words))


def _who() -> str:
    """As in ``root@machine``, without what a line of words could not carry."""
    return re.sub(r"[^\w.@-]", "_", f"{getpass.getuser()}@{socket.gethostname()}")


def refusal(verdict: str, rest: str) -> str:
    """What the host answered, in words."""
    if verdict == "busy":
        age, *holder = rest.split()
        by = _told(holder) if len(holder) == 3 else "another run"
        return (
            f"{by} is changing it, {int(age) // 60} min {int(age) % 60} s so far: "
            "wait until that has ended, then run this again"
        )
    if verdict == "stale":
        return f"{_told(rest.split())} changed it after this run had looked: run this again"
    return (
        f"what a run that broke off left at work has not ended within {LEFTOVERS} s: "
        f"`lslocks` there tells which process holds {BUSY}"
    )


def _told(holder: list[str]) -> str:
    who, process, since = holder[:3]
    return f"{who} (process {process}, since {since})"


def _beat(to: IO[bytes]) -> None:
    """Show the host that this run is alive, until it hangs up."""
    with suppress(OSError, ValueError, SSHException):
        while True:
            gevent.sleep(BEAT)
            to.write(b"\n")
            to.flush()
