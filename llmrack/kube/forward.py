"""A way to the gateway's port, by ``kubectl port-forward``."""

from __future__ import annotations

import contextlib
import queue
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import IO

from llmrack.kube.kubectl import Kubectl, KubectlError

# Seconds until kubectl names the port.
SECONDS = 30.0
_LINE = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+) ")


@contextlib.contextmanager
def forwarded(kubectl: Kubectl, thing: str, port: int) -> Iterator[str]:
    """The address on this machine of a port of ``thing``, as in ``service/llmrack-gateway``.

    kubectl chooses one pod of a Service, and stays with it. Raises KubectlError.
    """
    words = ("port-forward", thing, f":{port}", "--address", "127.0.0.1")
    process = subprocess.Popen(  # noqa: S603  (the user's own program)
        kubectl.command(*words), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        yield f"http://127.0.0.1:{_port(thing, process.stdout)}"
    finally:
        process.kill()
        process.wait()


def _port(thing: str, stream: IO[str] | None) -> str:
    """The port that it names; what logs in may have something to say before. Raises KubectlError.

    The lines after that are read, so that the process is never held up by them.
    """
    lines: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        for line in stream or ():
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    said, end = [f"{thing} cannot be reached"], time.monotonic() + SECONDS
    while True:
        try:
            line = lines.get(timeout=max(0.0, end - time.monotonic()))
        except queue.Empty:
            said[0] += f" within {SECONDS:g} s"
            line = None
        if line is None:
            raise KubectlError(": ".join([said[0], *said[-1:]] if len(said) > 1 else said))
        if match := _LINE.match(line):
            return match[1]
        said.append(line.strip())
