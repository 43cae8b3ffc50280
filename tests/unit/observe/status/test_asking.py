"""What is sent to hosts to ask how they are."""

from __future__ import annotations

import subprocess
from typing import Any

from pyinfra.connectors.util import CommandOutput, OutputLine

from llmrack.observe.status.asking import _look
from tests.unit.declare import host, stack
from tests.unit.fake_host import Ran, fake_host


def test_a_host_before_its_first_deploy_reads_the_program_that_it_does_not_run() -> None:
    """Otherwise the pipe breaks, and the host counts as one that does not answer."""

    def run(command: Any, *, _stdin: str | None, **arguments: object) -> Ran:
        # More than a pipe holds: whoever does not read it breaks the pipe.
        text = _stdin + "#" * 2**20 if _stdin else ""
        with subprocess.Popen(
            ["/bin/sh", "-c", command.get_raw_value()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdin and process.stdout
            process.stdin.write(text)
            process.stdin.close()
            lines = process.stdout.read().splitlines()
        return True, CommandOutput([OutputLine("stdout", line) for line in lines])

    box = host(service_user="nobody-yet", service_home="/home/nobody-yet")
    assert _look(stack(), box, fake_host(run), models=False) == {"listeners": []}
