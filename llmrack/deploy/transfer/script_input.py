"""Bytes for a script on a host: pyinfra itself sends text alone, and holds all of it at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any, cast

from gevent.subprocess import PIPE, STDOUT, Popen
from paramiko import Transport
from pyinfra.api import QuoteString, StringCommand
from pyinfra.connectors.util import extract_control_arguments, make_unix_command_for_host

from llmrack.deploy.run.lock import guarded
from llmrack.hosts.connection import BROKEN, transport

if TYPE_CHECKING:
    from llmrack.deploy.run.rack import Rack

# Seconds a host may take over what was sent, and seconds it may take nothing more of it.
DEADLINE, STALL = 7200, 120
CHUNK = 1 << 18

Arguments = Mapping[str, Any]
Write = Callable[[IO[bytes]], object]


class FeedError(Exception):
    """A script failed; the text is the end of what it said."""


def nothing(to: IO[bytes]) -> None:
    """For a script that reads nothing."""


def feed(rack: Rack, script: str, write: Write, arguments: Arguments) -> str:
    """Run a script on the host as root; what it printed.

    + write: called with its standard input
    + arguments: the operation's own connection arguments (sudo and the like)

    Raises FeedError.
    """
    host = rack.pyinfra_host
    options: Any = dict(arguments)
    extract_control_arguments(options)
    words = StringCommand("timeout", str(DEADLINE), "sh", "-c", QuoteString(script))
    words = guarded(rack, words)
    command = make_unix_command_for_host(rack.state, host, words, **options).get_raw_value()
    try:
        through = transport(host)
        code, output = _over_ssh(through, command, write) if through else _here(command, write)
    except BROKEN as error:
        raise FeedError(f"the connection broke ({error or type(error).__name__})") from None
    if code:
        raise FeedError("\n      ".join(output.splitlines()[-20:]) or f"it ended with {code}")
    return output


def _over_ssh(through: Transport, command: str, write: Write) -> tuple[int, str]:
    with through.open_session() as channel:
        channel.set_combine_stderr(True)
        channel.exec_command(command)
        channel.settimeout(STALL)
        # A host that gives up early says why; that the rest could not be sent does not.
        with suppress(OSError), channel.makefile_stdin("wb", CHUNK) as stdin:
            write(cast(IO[bytes], stdin))
        channel.settimeout(DEADLINE)
        output = channel.makefile("rb").read().decode(errors="replace").strip()
        return channel.recv_exit_status(), output


def _here(command: str, write: Write) -> tuple[int, str]:
    """On the machine that deploys itself (``@local``)."""
    process = Popen(command, shell=True, stdin=PIPE, stdout=PIPE, stderr=STDOUT)  # noqa: S604  (as pyinfra does)
    assert process.stdin and process.stdout  # noqa: S101  (they are pipes)
    with suppress(BrokenPipeError), process.stdin:
        write(process.stdin)
    output = process.stdout.read().decode(errors="replace").strip()
    return process.wait(), output
