"""``modprobe`` and ``rmmod`` on a host with pretended cards; others' modules go to the real tools.

Messages are kmod's.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from .pretence import Pretence
from .show import UVM, make_device

LOG = Path("/var/log/pretended-modules.log")
"""One line for each call for a module of NVIDIA's: the command with its arguments."""


def main(tool: str, arguments: list[str]) -> int:
    """Run ``modprobe`` or ``rmmod``; returns the exit status."""
    modules = [word.replace("-", "_") for word in arguments if not word.startswith("-")]
    if not modules or not all(module.startswith("nvidia") for module in modules):
        return _real(tool, arguments)
    with LOG.open("a") as log:
        log.write(f"{tool} {' '.join(arguments)}\n")
    removes = tool == "rmmod" or {"-r", "--remove"} & set(arguments)
    act = _remove if removes else _load
    return max(act(tool, module) for module in modules)


def _load(tool: str, module: str) -> int:
    pretence = Pretence.read()
    if not pretence.installed:
        where = f"/lib/modules/{os.uname().release}"
        return _fail(f"{tool}: FATAL: Module {module} not found in directory {where}")
    if not pretence.loaded:
        why = "Key was rejected by service" if pretence.state == "unsigned" else "No such device"
        return _fail(f"{tool}: ERROR: could not insert '{module}': {why}")
    # A module that is loaded already stays as it is.
    if module == "nvidia_uvm" and pretence.state != "not-ready" and not UVM.exists():
        make_device(UVM)
    return 0


def _remove(tool: str, module: str) -> int:
    if not Pretence.read().loaded or (module == "nvidia_uvm" and not UVM.exists()):
        return _fail(f"{tool}: ERROR: Module {module} is not currently loaded")
    if module == "nvidia_uvm":
        UVM.unlink()
    return 0


def _real(tool: str, arguments: list[str]) -> int:
    program = Path("/usr/sbin") / tool
    if program.is_symlink() and program.resolve().is_relative_to("/usr/local"):
        return _fail(f"{tool}: this lab host has no kmod, hence none of its modules but NVIDIA's")
    os.execv(program, [tool, *arguments])  # noqa: S606  (the real tool in place of this one)


def _fail(message: str) -> int:
    print(message, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
