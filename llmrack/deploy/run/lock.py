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
