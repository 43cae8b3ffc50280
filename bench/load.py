"""Load on a chat API by wrk, and what it costs the processes that bear it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

# https://github.com/wg/wrk/blob/master/SCRIPTING; times are in microseconds there.
SCRIPT = """\
wrk.method = "POST"
wrk.headers = {headers}
wrk.body = [==[{body}]==]
function done(summary, latency)
  local failed = 0
  for _, number in pairs(summary.errors) do failed = failed + number end
  io.write("\\n", string.format(
    '{{"answers": %d, "seconds": %f, "p50_ms": %f, "p99_ms": %f, "failed": %d}}',
    summary.requests, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, failed))
end
"""
# Seconds after which a load without any answer is given up.
LONGEST = 60


class Spoilt(Exception):
    """What was measured did not do what it is measured for."""


@dataclass(frozen=True)
class Load:
    """Clients that ask again as soon as they are answered, each on a connection of its own.

    + clients: how many ask at the same time
    + streamed: whether they ask for streams; an answer counts when its stream has ended
    + seconds: how long they do
    """

    clients: int
    streamed: bool
    seconds: int

    @property
    def name(self) -> str:
        """What it is called in figures."""
        return f"{'streamed' if self.streamed else 'plain'}, {self.clients}"


@dataclass(frozen=True)
class Sample:
    """What came of a load.

    + rate: answers per second
    + p50_ms, p99_ms: milliseconds until an answer was whole
    + cpu_ms: milliseconds of processor time per answer; 0 where no process was watched
    """

    rate: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float


def chat(streamed: bool) -> dict[str, Any]:
    """The request that everybody asks."""
    messages = [{"role": "user", "content": "Say twenty words."}]
    return {"model": "chat", "messages": messages, "stream": streamed}


def put(
    load: Load, url: str, headers: Mapping[str, str], pids: Sequence[int], folder: Path
) -> Sample:
    """Put ``load`` on ``url``; Spoilt where a request failed.

    + headers: sent with every request; they go by a file, for some are keys
    + pids: processes whose processor time counts
    """
    script = folder / "chat.lua"
    script.touch(0o600)
    fields = {"Content-Type": "application/json", **headers}
    table = ", ".join(f"[{json.dumps(name)}] = {json.dumps(fields[name])}" for name in fields)
    body = json.dumps(chat(load.streamed))
    script.write_text(SCRIPT.format(headers=f"{{{table}}}", body=body), encoding="utf-8")
    numbers = ["-t1", f"-c{load.clients}", f"-d{load.seconds}s", "--timeout", "240s"]
    before = _cpu_ms(pids)
    done = subprocess.run(
        ["wrk", *numbers, "-s", script, url], stdout=subprocess.PIPE, text=True, check=True
    )
    used = _cpu_ms(pids) - before
    found = json.loads(done.stdout.splitlines()[-1])
    if found["failed"]:
        raise Spoilt(f"{found['failed']} of {found['answers']} requests failed: {url}, {load.name}")
    if not found["answers"]:
        if load.seconds > LONGEST:
            raise Spoilt(f"no answer in {load.seconds} s: {url}, {load.name}")
        # A machine that is busy otherwise: all are answered side by side, so all of them late.
        return put(replace(load, seconds=4 * load.seconds), url, headers, pids, folder)
    return Sample(
        rate=found["answers"] / found["seconds"],
        p50_ms=found["p50_ms"],
        p99_ms=found["p99_ms"],
        cpu_ms=used / found["answers"],
    )


def resident_mb(pids: Sequence[int]) -> float:
    """Megabytes of memory that processes hold together (VmRSS, proc_pid_status(5))."""
    statuses = [Path(f"/proc/{pid}/status").read_text(encoding="utf-8") for pid in pids]
    lines = [line for status in statuses for line in status.splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1e3


def _cpu_ms(pids: Sequence[int]) -> float:
    """User and system time so far (proc_pid_stat(5), fields 14 and 15)."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks * 1e3 / os.sysconf("SC_CLK_TCK")
