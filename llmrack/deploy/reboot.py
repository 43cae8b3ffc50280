"""Restarting a host and waiting for it: one host of the fleet at a time."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import gevent
from gevent.lock import BoundedSemaphore
from paramiko import SSHException
from pyinfra.api import StringCommand
from pyinfra.api.exceptions import PyinfraError
from pyinfra.connectors.util import clear_askpass_cache

from llmrack.deploy.run.rack import Rack
from llmrack.hosts.connection import transport, tune
from llmrack.hosts.progress import say
from llmrack.resources.change import Reboot

BOOT_ID = "cat /proc/sys/kernel/random/boot_id"
# Seconds between two attempts to reach a host that is down.
PACE = 1.0
# Seconds one attempt may take: a host that goes down may leave a question unanswered.
ATTEMPT = 15.0
# One run is one process.
_ONE_AT_A_TIME = BoundedSemaphore()


def reboot(rack: Rack, action: Reboot, arguments: dict[str, Any]) -> str:
    """Restart the host and wait until it is back; the reason why it is not, or an empty text.

    A host whose connection is not SSH is the one that this runs on, and is not restarted.
    """
    host = rack.pyinfra_host
    if transport(host) is None:
        return "this is the machine that the deploy runs on: reboot it by hand, then deploy again"
    with _ONE_AT_A_TIME:
        before = _boot_id(rack, arguments)
        if not before:
            return "its boot id cannot be read, so a reboot could not be told from none"
        say(rack, f"restarting: {action.why}")
        started = time.monotonic()
        refused = _asked(rack, "systemctl --no-block reboot", arguments)[1]
        if refused:
            return f"it does not reboot: {refused}"
        while time.monotonic() < started + action.deadline:
            gevent.sleep(PACE)
            if _boot_id(rack, arguments, anew=True) not in ("", before):
                tune(host)
                say(rack, f"is back after {time.monotonic() - started:.0f} s")
                return ""
    return f"it did not come back within {action.deadline} s: look at its console"


def _boot_id(rack: Rack, arguments: dict[str, Any], anew: bool = False) -> str:
    """The kernel's id of this boot (random(4)), empty while the host does not answer.

    + anew: over a new connection
    """
    host = rack.pyinfra_host
    if anew:
        # What sudo was given is gone with the boot.
        clear_askpass_cache(host)
        host.disconnect()
        with suppress(SSHException, OSError, EOFError):
            host.connect(show_errors=False)
    return _asked(rack, BOOT_ID, arguments)[0] if host.connected else ""


def _asked(rack: Rack, command: str, arguments: dict[str, Any]) -> tuple[str, str]:
    """What a command printed, and why it failed; both empty when the connection broke."""
    try:
        with gevent.Timeout(ATTEMPT):
            done, output = rack.pyinfra_host.run_shell_command(StringCommand(command), **arguments)
            return output.stdout.strip(), "" if done else output.stderr.strip()
    except (gevent.Timeout, PyinfraError, SSHException, OSError, EOFError):
        return "", ""
