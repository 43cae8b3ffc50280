"""A child process that stands for ``llama-server`` when how a server ends is what matters."""

from __future__ import annotations

import subprocess

from .faults import Fault

# What a shell ignores, the program that it becomes ignores too.
_COMMAND = "trap '' TERM; exec sleep infinity"


class Runner:
    """A process that ignores SIGTERM as long as the fault ``ignore-sigterm`` is shown.

    It outlives the server, as a real ``llama-server`` may: whoever stops the server has to see to
    it (``KillMode=`` in systemd.kill(5)).
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def follow(self, fault: Fault) -> None:
        """Start the process or kill it."""
        if fault.mode == "ignore-sigterm":
            if self._process is None:
                self._process = subprocess.Popen(["/bin/sh", "-c", _COMMAND])  # noqa: S603  (fixed)
        elif self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
