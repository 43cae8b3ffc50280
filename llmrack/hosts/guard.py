"""Runs that do nothing shall not look like success.

pyinfra 3.10 exits 0 when the inventory cannot be resolved, when ``--limit`` matches nothing and
on Ctrl-C. ``config.py`` installs this before the inventory is read.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import sys
from io import TextIOWrapper
from pathlib import Path
from types import FrameType

import gevent
from pyinfra import logger
from pyinfra.api.config import Config
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory
from pyinfra.api.state import State
from pyinfra_cli.exceptions import CliError

from llmrack.hosts import pyinfra_speed

INTERRUPTED = 130
# A password as Python prints it in a dictionary.
_PASSWORD = re.compile(r"""('\w*password': )(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")""")


class Refusal(PyinfraError, CliError):
    """A mistake of the user's: said as a plain sentence, without a place in our own code."""

    def __init__(self, message: str) -> None:
        CliError.__init__(self, message)


def print_all() -> None:
    """What the terminal's encoding lacks is printed as an escape, instead of ending the run."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def install(state: State) -> None:
    """Make ``state`` refuse an empty selection, and an interrupt end the run with 130."""
    print_all()
    pyinfra_speed.install()
    logger.addFilter(_without_passwords)
    initialise = state.init

    def checked(
        inventory: Inventory, config: Config | None, initial_limit: list[Host] | None = None
    ) -> None:
        if not len(inventory):
            raise Refusal(
                "the inventory has no hosts, so nothing was done: check its name and its groups"
            )
        if initial_limit is not None and not initial_limit:
            raise Refusal(
                "--limit/--exclude leave no host, so nothing was done; the inventory has: "
                + ", ".join(sorted(host.name for host in inventory))
            )
        for host in initial_limit or inventory:
            _need_key_file(host, Path(state.cwd or ""))
        initialise(inventory, config, initial_limit=initial_limit)

    state.init = checked  # type: ignore[method-assign]
    # pyinfra sets its own handlers before it reads config.py; these replace them.
    gevent.signal_handler(signal.SIGINT, _interrupted, signal.SIGINT, None)
    signal.signal(signal.SIGINT, _interrupted)


def _without_passwords(record: logging.LogRecord) -> bool:
    """Hide the passwords that pyinfra's ``--debug`` prints with the data of hosts and groups."""
    text = record.getMessage()
    if "password" in text:
        record.msg, record.args = _PASSWORD.sub(r"\1'*MASKED*'", text), ()
    return True


def _need_key_file(host: Host, folder: Path) -> None:
    """Where pyinfra looks for it; it ends with a traceback when it finds none."""
    name = host.data.get("ssh_key")
    if name and not any(path.is_file() for path in (Path(name).expanduser(), folder / name)):
        raise Refusal(
            f"the inventory's host {host.name} has the ssh_key {name}, and there is no such file: "
            "correct it, or run `make demo` if that host is the lab's"
        )


def _interrupted(signum: int, frame: FrameType | None) -> None:
    sys.stderr.write("\nInterrupted: the run is incomplete. Run it again and it goes on.\n")
    sys.stderr.flush()
    os._exit(INTERRUPTED)
