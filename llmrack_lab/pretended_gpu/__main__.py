"""``pretended-gpus``: what a lab host runs at boot, and the lab on it by ssh."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import time

from .packages import offer
from .pretence import Pretence
from .show import show, show_ready

READY_UNIT = "pretended-gpus-ready.service"

_CURED_BY_A_BOOT = ("no-driver", "nouveau", "suspended")


def main(words: list[str]) -> None:
    """Run one command.

    ``boot`` shows what the host pretends from now on, ``set`` what standard input says; ``ready``
    ends ``not-ready`` when it is time; ``installed VERSION`` is for a package of a driver, ``offer
    VERSION PACKAGE...`` puts such packages where apt finds them.
    """
    match words:
        case ["boot"]:
            _become(booted(Pretence.read()))
        case ["set"]:
            _become(Pretence.from_json(sys.stdin.read()))
            subprocess.run(["/usr/bin/systemctl", "restart", READY_UNIT], check=True)  # noqa: S603  (no shell)
        case ["ready"]:
            _become_ready(Pretence.read())
        case ["installed", version]:
            _become(dataclasses.replace(Pretence.read(), installed=version))
        case ["offer", version, *names]:
            offer(version, names)
        case _:
            sys.exit("usage: pretended-gpus boot | set | ready | installed V | offer V PACKAGE...")


def _become(pretence: Pretence) -> None:
    pretence.write()
    show(pretence)


def _become_ready(pretence: Pretence) -> None:
    if pretence.state == "not-ready" and pretence.seconds is not None:
        time.sleep(pretence.seconds)
        show_ready(pretence)


def booted(pretence: Pretence) -> Pretence:
    """What a host pretends after a boot: it loads the driver that is installed, if it may."""
    if not pretence.installed or pretence.state == "unsigned" or pretence.vendor != "nvidia":
        return pretence
    state = "fine" if pretence.state in _CURED_BY_A_BOOT else pretence.state
    return dataclasses.replace(pretence, state=state, loaded=pretence.installed)


if __name__ == "__main__":
    main(sys.argv[1:])
