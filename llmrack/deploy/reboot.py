"""Restarting a host and waiting for it: one host of the fleet at a time."""

from __future__ import annotations

import time
from contextlib import suppress

import gevent
from gevent.lock import BoundedSemaphore
from pyinfra.api import StringCommand
from pyinfra.api.host import Host

from llmrack.hosts.commands import run
from llmrack.hosts.connect import tune
from llmrack.hosts.connection import BROKEN, Unreached, transport
from llmrack.hosts.progress import say
from llmrack.resources.change import Reboot

BOOT_ID = "cat /proc/sys/kernel/random/boot_id"
# Seconds between two attempts to reach a host that is down.
PACE = 1.0
# Seconds one attempt may take: a host that goes down may leave a question unanswered.
ATTEMPT = 15.0


def reboot(host: Host, action: Reboot, turn: BoundedSemaphore) -> str:
    """Restart the host and wait until it is back; the reason why it is not, or an empty text.

    + turn: held meanwhile, so that one host of a run restarts at a time

    A host whose connection is not SSH is the one that this runs on, and is not restarted.
    """
    if transport(host) is None:
        return "this is the machine that the deploy runs on: reboot it by hand, then deploy again"
    with turn:
        before = _boot_id(host)
        if not before:
            return "its boot id cannot be read, so a reboot could not be told from none"
        say(host, f"restarting: {action.why}")
        started = time.monotonic()
        refused = _ask(host, "systemctl --no-block reboot")[1]
        if refused:
            return f"it does not reboot: {refused}"
        while time.monotonic() < started + action.deadline:
            gevent.sleep(PACE)
            if _boot_id(host, anew=True) not in ("", before):
                tune(host)
                say(host, f"is back after {time.monotonic() - started:.0f} s")
                return ""
    return f"it did not come back within {action.deadline} s: look at its console"


def _boot_id(host: Host, anew: bool = False) -> str:
    """The kernel's id of this boot (random(4)), empty while the host does not answer.

    + anew: over a new connection
    """
    if anew:
        host.disconnect()
        with suppress(*BROKEN):
            host.connect(show_errors=False)
    return _ask(host, BOOT_ID)[0] if host.connected else ""


def _ask(host: Host, command: str) -> tuple[str, str]:
    """What a command printed, and why it failed; both empty when the connection broke."""
    try:
        answer = run(host, StringCommand(command), deadline=ATTEMPT)
    except Unreached:
        return "", ""
    return answer.stdout.strip(), "" if answer.succeeded else answer.stderr.strip()
