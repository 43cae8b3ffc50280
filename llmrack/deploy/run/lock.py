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
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, cast

import gevent
from gevent.subprocess import PIPE, STDOUT, Popen
from paramiko import SSHException, Transport
from pyinfra.api import QuoteString, StringCommand
from pyinfra.api.arguments import CONNECTOR_ARGUMENT_KEYS, pop_global_arguments
from pyinfra.connectors.util import extract_control_arguments, make_unix_command_for_host

from llmrack.hosts.connection import BROKEN, transport
from llmrack.hosts.progress import say

if TYPE_CHECKING:
    from llmrack.deploy.run.rack import Rack

HELD = "/run/llmrack/lock"
BUSY = "/run/llmrack/busy"
# The run that changed the host last: its id, who, process, when, and whether it has ended.
LAST_RUN = "/var/lib/llmrack/last-run"
# Seconds between two signs of life, without one, and for scripts of a dead run to end.
BEAT, PATIENCE, LEFTOVERS = 5, 60, 600

# For bash, which Debian always has, as its read knows a timeout. Arguments: the id of this run,
# who it is, its process, and LAST_RUN as this run saw it. Another host of this run may be the same
# machine under another name.
HOLD = f"""
umask 022; mkdir -p /run/llmrack /var/lib/llmrack || exit 1
note() {{
  printf '%s %s %s %s %s\\n' "$run" "$who" "$process" "$since" "$1" >{LAST_RUN}.new &&
  mv -f {LAST_RUN}.new {LAST_RUN}
}}
listen() {{ while read -r -t {PATIENCE}; do :; done; }}
run=$1 who=$2 process=$3 seen=$4 since=$(date -u +%FT%TZ) by= last=
umask 077; exec 9<>{HELD} || exit 1
if ! flock -w 2 9; then
  read -r by rest <{HELD}
  [ "$by" = "$run" ] && {{ echo held; listen; exit; }}
  echo "busy $(($(date +%s) - $(stat -c %Y {HELD}))) $rest"; exit 1
fi
umask 022; read -r last 2>/dev/null <{LAST_RUN}
[ "$last" = "$seen" ] || [ "${{last%% *}}" = "$run" ] || {{ echo "stale ${{last#* }}"; exit 1; }}
echo "$run $who $process $since" >{HELD}
umask 077; exec 8<>{BUSY} || exit 1
flock -n 8 || {{ echo waiting; flock -w {LEFTOVERS} 8; }} || {{ echo leftovers; exit 1; }}
exec 8>&-; umask 022
note running && echo held || exit 1
listen
# A removal takes all of this along.
[ ! -e {LAST_RUN} ] || {{ : >{HELD}; note ended; }}
"""
_STILL_OURS = (
    f'read -r by rest <{HELD}; [ "$by" = {{run}} ] || '
    "{{ echo 'this run was silent for so long that it lost its lock: run it again'; exit 1; }}; "
    'exec "$@"'
)


@dataclass(frozen=True)
class Lock:
    """A host's lock.

    + run: the id of the run that has it
    + is_lost: whether the process that holds it on the host has ended
    """

    run: str
    is_lost: Callable[[], bool]


def take(rack: Rack) -> str:
    """Take the host's lock, unless this run has it; why that cannot be, or an empty text.

    One that was lost, as by a reboot, is taken anew. It is refused when another run has it, and
    when another run has changed the host since this one first looked, as for a plan.
    """
    if rack.lock and not rack.lock.is_lost():
        return ""
    run = rack.run.nonce[:8]
    words = (run, _who(), str(os.getpid()), rack.run.last_runs.get(rack.host.name, ""))
    command = StringCommand("bash", "-c", QuoteString(HOLD), "llmrack", *map(QuoteString, words))
    host = rack.pyinfra_host
    found, _ = pop_global_arguments(rack.state, host, {"_sudo": rack.sudo})
    arguments: Any = {key: found.get(key) for key in CONNECTOR_ARGUMENT_KEYS}
    extract_control_arguments(arguments)
    raw = make_unix_command_for_host(rack.state, host, command, **arguments).get_raw_value()
    through, said = transport(host), "the host gave no answer"
    try:
        to, answers, is_lost = _over_ssh(through, raw) if through else _here(raw)
        for line in answers:
            verdict, _, rest = line.decode(errors="replace").strip().partition(" ")
            if verdict == "held":
                gevent.spawn(_beat, to)
                rack.lock = Lock(run, is_lost)
                return ""
            if verdict == "waiting":
                say(rack, "waiting until what a run that broke off left at work has ended")
                # It changes what was seen.
                rack.forget()
            elif verdict in ("busy", "stale", "leftovers"):
                return refusal(verdict, rest)
            else:
                said = f"{verdict} {rest}"
    except BROKEN as error:
        said = str(error) or type(error).__name__
    return f"its lock cannot be taken: {said}"


def guarded(rack: Rack, command: StringCommand) -> StringCommand:
    """``command`` so that it runs only while this run has the lock, if it took it at all.

    The next run waits for it; what it starts and leaves behind (``-o``) is not waited for.
    """
    if not rack.lock:
        return command
    check = QuoteString(_STILL_OURS.format(run=rack.lock.run))
    return StringCommand("flock", "-s", "-o", BUSY, "sh", "-c", check, "sh", command)


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


_Carrier = tuple[IO[bytes], IO[bytes], Callable[[], bool]]


def _over_ssh(through: Transport, command: str) -> _Carrier:
    channel = through.open_session()
    channel.set_combine_stderr(True)
    channel.settimeout(LEFTOVERS + PATIENCE)
    channel.exec_command(command)

    def is_lost() -> bool:
        return channel.closed or channel.exit_status_ready() or not through.is_active()

    to, answers = channel.makefile_stdin("wb", 0), channel.makefile("rb")
    return cast(IO[bytes], to), cast(IO[bytes], answers), is_lost


def _here(command: str) -> _Carrier:
    """On the machine that deploys itself (``@local``)."""
    process = Popen(command, shell=True, stdin=PIPE, stdout=PIPE, stderr=STDOUT)  # noqa: S604  (as pyinfra does)
    assert process.stdin and process.stdout  # noqa: S101  (they are pipes)
    return process.stdin, process.stdout, lambda: process.poll() is not None
