"""The command `llmrack`, which may be interrupted while its modules are still being imported."""

from __future__ import annotations

import os
import signal
from types import FrameType


def main() -> None:
    """Import the command line, and run it."""
    before = signal.getsignal(signal.SIGINT)
    # Ignored is what a shell starts in the background.
    if before is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupted)
    from llmrack.cli import main as command_line

    signal.signal(signal.SIGINT, before)
    command_line()


def _interrupted(signum: int, frame: FrameType | None) -> None:
    """End as a program does that the signal has killed.

    An exception would print a traceback, or be passed over by the module that is imported. Nothing
    is begun yet that would have to be finished.
    """
    os._exit(128 + signum)


if __name__ == "__main__":
    main()
