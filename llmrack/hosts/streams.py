"""Commands on a host that are written to and read from while they run.

pyinfra itself sends text alone, holds all of it at once, and reads a command's output at its end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, cast

from gevent.subprocess import PIPE, STDOUT, Popen
from paramiko import Transport
from pyinfra.api import QuoteString, StringCommand
from pyinfra.api.host import Host
from pyinfra.connectors.util import extract_control_arguments

from llmrack.hosts.become_root import prepare
from llmrack.hosts.commands import connection_arguments
from llmrack.hosts.connection import transport


@dataclass(frozen=True)
class Stream:
    """A command that runs on a host.

    + stdin: its standard input; flush what is written
    + stdout: its standard output
    + stderr: its standard error; where both were asked for together, nothing but sudo's and su's
    + has_ended: whether it has ended, or its connection
    + exit_code: waits until it has ended
    + patience: sets the seconds that a read or a write may take; over SSH alone
    + close: hangs up, which ends what listens to its standard input
    """

    stdin: IO[bytes]
    stdout: IO[bytes]
    stderr: IO[bytes]
    has_ended: Callable[[], bool]
    exit_code: Callable[[], int]
    patience: Callable[[float], None]
    close: Callable[[], None]


def start(host: Host, command: StringCommand, together: bool = True) -> Stream:
    """Start a command as root on a connected host.

    + together: standard error comes with standard output

    Raises what a broken connection raises (``connection.BROKEN``).
    """
    arguments: Any = connection_arguments(host)
    extract_control_arguments(arguments)
    made, first_lines = prepare(host, command, arguments)
    if first_lines and together:
        # What asks for the password writes to standard error, too.
        both = StringCommand("sh", "-c", QuoteString(command), "2>&1")
        made, first_lines = prepare(host, both, arguments)
        together = False
    through = transport(host)
    line = made.get_raw_value()
    stream = _over_ssh(through, line, together) if through else on_this_machine(line, together)
    if first_lines:
        stream.stdin.write("".join(f"{line}\n" for line in first_lines).encode())
        stream.stdin.flush()
    return stream


@contextmanager
def started(host: Host, command: StringCommand, together: bool = True) -> Iterator[Stream]:
    """``start``, for as long as the ``with`` lasts."""
    stream = start(host, command, together)
    try:
        yield stream
    finally:
        stream.close()


def _over_ssh(through: Transport, line: str, together: bool) -> Stream:
    channel = through.open_session()
    channel.set_combine_stderr(together)
    channel.exec_command(line)

    def has_ended() -> bool:
        return channel.closed or channel.exit_status_ready() or not through.is_active()

    stdout = cast(IO[bytes], channel.makefile("rb"))
    return Stream(
        stdin=cast(IO[bytes], channel.makefile_stdin("wb", 0)),
        stdout=stdout,
        stderr=stdout if together else cast(IO[bytes], channel.makefile_stderr("rb")),
        has_ended=has_ended,
        exit_code=channel.recv_exit_status,
        patience=channel.settimeout,
        close=channel.close,
    )


def on_this_machine(line: str, together: bool) -> Stream:
    """Start a command for a shell here, as for a machine that deploys itself (``@local``)."""
    process = Popen(  # noqa: S604  (as pyinfra does)
        line,
        shell=True,
        stdin=PIPE,
        stdout=PIPE,
        stderr=STDOUT if together else PIPE,
        # Ctrl-C is for us.
        start_new_session=True,
    )
    stdin, stdout, stderr = process.stdin, process.stdout, process.stderr or process.stdout
    assert stdin and stdout and stderr  # noqa: S101  (they are pipes)

    def close() -> None:
        for pipe in (stdin, stdout, stderr):
            pipe.close()

    return Stream(
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        has_ended=lambda: process.poll() is not None,
        exit_code=process.wait,
        patience=lambda seconds: None,
        close=close,
    )
