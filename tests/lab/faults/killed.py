"""Deploys that end themselves at a step (``dying``), as if they were killed there."""

from __future__ import annotations

import re
import time

from tests.lab.site import Run, Site


def killed(site: Site, at: str) -> Run:
    """A deploy that ends itself; ``at`` is what ``dying`` is told."""
    limit = ("--limit", site.only) if site.only else ()
    program = "tests/lab/faults/dying_deploy.py"
    run = site.run("pyinfra", site.inventory, program, "-y", *limit, KILLED_AT=at)
    assert run.code == -9, run.output
    return run


def where(run: Run) -> str:
    """Where it was killed, in words of ``dying``."""
    (said,) = re.findall(r"^killed (.*)$", run.output, re.MULTILINE)
    return str(said)


def timed_deploy(site: Site) -> float:
    """Deploy; the seconds that takes."""
    began = time.monotonic()
    site.deployed()
    return time.monotonic() - began
