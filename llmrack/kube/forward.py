"""A way to the gateway's port, by ``kubectl port-forward``."""

from __future__ import annotations

import contextlib
import queue
import re
import subprocess
import threading
from collections.abc import Iterator
from typing import IO

from llmrack.kube.kubectl import Kubectl, KubectlError

# Seconds to the first line of kubectl, which names the port.
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
        first = _first_line(process.stdout)
        if not (match := _LINE.match(first)):
            raise KubectlError(first.strip() or f"{thing} cannot be reached within {SECONDS:g} s")
        yield f"http://127.0.0.1:{match[1]}"
    finally:
        process.kill()
        process.wait()


def _first_line(stream: IO[str] | None) -> str:
    """The first line; the others are read, so that the process is never held up by them."""
    lines: queue.Queue[str] = queue.Queue()

    def read() -> None:
        for line in stream or ():
            lines.put(line)

    threading.Thread(target=read, daemon=True).start()
    try:
        return lines.get(timeout=SECONDS)
    except queue.Empty:
        return ""
