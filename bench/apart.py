"""Measure in namespaces of its own, network and processes: no port is taken, nothing is left."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

from bench.load import Spoilt

INSIDE = "--inside"


def run(module: str, prepare: Callable[[], object], measure: Callable[[], None]) -> None:
    """``prepare`` with the network, then ``measure`` without, in a process of its own.

    + module: the benchmark's, which calls this and is called again
    """
    try:
        if INSIDE in sys.argv:
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
            measure()
            return
        prepare()
    except (Spoilt, subprocess.CalledProcessError) as error:
        sys.exit(f"bench: {error}")
    # All processes end with the first one of their namespace.
    apart = ["unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    done = subprocess.run([*apart, sys.executable, "-m", module, INSIDE], check=False)
    sys.exit(done.returncode)
