"""Runs the scripts of a change on a host, under the host's lock."""

from __future__ import annotations

from llmrack.deploy.run.held import guarded
from llmrack.deploy.run.lock import take
from llmrack.deploy.run.rack import Rack
from llmrack.hosts.commands import ended_after, run, sh
from llmrack.hosts.connection import is_lost
from llmrack.resources.change import Shell
from llmrack.resources.downloads import variable_lines
from llmrack.secrets.value import redact

LOST = (
    "the connection to it was lost; what is at work there may go on. Run this again once it can "
    "be reached: that waits until such work has ended"
)


def shell(rack: Rack, action: Shell) -> str:
    """Run a script on the host; the end of what it printed when it fails, or an empty text.

    In a run that took the host's lock it runs only under it. Raises Unreached.
    """
    lost = take(rack) if rack.lock else ""
    if lost:
        return lost
    command = guarded(rack.lock, ended_after(action.timeout, sh(action.script)))
    stdin = action.stdin
    if action.downloads:
        stdin = variable_lines(action.downloads, rack.run.declared.secrets) + (stdin or "")
    answer = run(rack.pyinfra_host, command, stdin=stdin)
    if answer.succeeded:
        return ""
    if is_lost(rack.pyinfra_host):
        return LOST
    text = "\n      ".join(answer.last_lines(20)) or f"no word within {action.timeout} s"
    return redact(text, dict(rack.run.declared.secrets))
