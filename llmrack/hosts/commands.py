"""Runs commands on a host over the connection that is there: the one way to do so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gevent
from pyinfra.api import QuoteString, StringCommand
from pyinfra.api.arguments import CONNECTOR_ARGUMENT_KEYS
from pyinfra.api.host import Host
from pyinfra.connectors.util import CommandOutput

from llmrack.hosts.become_root import OTHER_WAYS, needs_sudo, settings_of
from llmrack.hosts.connection import FAILURES, Unreached, reason


@dataclass(frozen=True)
class Answer:
    """What a command printed.

    + succeeded: whether its exit code was 0
    + output: its lines, those of standard output and standard error in the order they came
    """

    succeeded: bool
    output: CommandOutput

    @property
    def stdout(self) -> str:
        """Standard output."""
        return self.output.stdout

    @property
    def stderr(self) -> str:
        """Standard error."""
        return self.output.stderr

    @property
    def lines(self) -> list[str]:
        """The lines of standard output."""
        return self.output.stdout_lines

    def last_lines(self, count: int) -> list[str]:
        """The last lines of everything that was printed."""
        return [line.line for line in self.output][-count:]


def sh(script: str) -> StringCommand:
    """A script for plain ``sh``, whatever the login shell is."""
    return StringCommand("sh", "-c", QuoteString(script))


def ended_after(seconds: float, command: StringCommand) -> StringCommand:
    """``command``, which the host itself ends after ``seconds``."""
    return StringCommand("timeout", f"{seconds:g}", command)


def run(
    host: Host,
    command: StringCommand,
    stdin: str | None = None,
    deadline: float | None = None,
    root: bool = True,
) -> Answer:
    """Run a command on a connected host.

    + stdin: what it reads, which may hold secrets
    + deadline: seconds after which it is no longer waited for
    + root: as root; False: as the login user

    Raises Unreached when the connection breaks, and when the deadline is over.
    """
    arguments = connection_arguments(host, root)
    if stdin is not None:
        arguments["_stdin"] = stdin
    try:
        with gevent.Timeout(deadline, Unreached(f"no answer within {deadline} s")):
            succeeded, output = host.run_shell_command(
                command, print_input=host.state.print_input, **arguments
            )
    except FAILURES as error:
        raise Unreached(reason(error)) from None
    return Answer(succeeded, output)


def connection_arguments(host: Host, root: bool = True) -> dict[str, Any]:
    """How pyinfra runs a command there: as root if that is wanted, and as the inventory sets.

    They are each host's own, as an operation on that host would get them: two hosts may differ.
    """
    settings = settings_of(host)
    settings["_sudo"] = root and needs_sudo(host)
    if not root:
        settings |= dict.fromkeys(OTHER_WAYS)
    return {key: settings.get(key) for key in CONNECTOR_ARGUMENT_KEYS}
