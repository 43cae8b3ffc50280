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


def test_of_services_that_are_replaced_those_are_named_that_run_again() -> None:
    def run(command: Any, **arguments: object) -> Ran:
        lines = ["{}"]
        if "drop_in_of" in str(command):
            lines = [
                "old\tunit\tollama.service\tollama.service\trunning\tfree\tnoted\t",
                "old\tunit\tb.service\tb.service\tstopped\theld\tnoted\t",
                # It was not replaced yet.
                "old\tcontainer\tdocker:c\tf0e1\trunning\tfree\tnew\t4000\tkept\t7",
            ]
        elif "ss -Hltnp" in str(command):
            lines = []
        return True, CommandOutput([OutputLine("stdout", line) for line in lines])

    box = host(replaces=["ollama.service", "b.service", "docker:c"])
    answer = _look(stack(), box, fake_host(run), models=False)
    assert answer == {"listeners": [], "run_again": ["ollama.service"]}
