"""Ctrl-C reaches the greenlet that it is meant for."""

from __future__ import annotations

import subprocess
import sys

import pytest

# What is tried is in processes of their own, where signals are theirs.
PROGRAM = """
from gevent import monkey
monkey.patch_all()
import os, signal, threading, time
from llmrack.hosts.interrupts import Interrupts

def interrupt():
    try:
        # The handler runs in the greenlet that is at work just then: this one.
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.1)
    except KeyboardInterrupt:
        print("somebody else")

interrupts = Interrupts()
try:
    with interrupts:
        {}
except KeyboardInterrupt:
    print("interrupted")
except ValueError:
    print("failed")
print("restored" if signal.getsignal(signal.SIGINT) is signal.default_int_handler else "changed")
"""
BY_ANOTHER = "threading.Thread(target=interrupt).start(); time.sleep(60); print('missed')"
HELD = """
        with interrupts.held():
            interrupt()
            print("done")
        print("missed")
"""
HELD_AND_FAILED = """
        with interrupts.held():
            interrupt()
            raise ValueError
"""
IN_FLIGHT = """
        try:
            threading.Thread(target=interrupt).start()
            time.sleep(60)
        finally:
            interrupt()
            with interrupts.held():
                print("done")
"""


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (BY_ANOTHER, ["interrupted", "restored"]),
        (HELD, ["done", "interrupted", "restored"]),
        (HELD_AND_FAILED, ["failed", "restored"]),
        (IN_FLIGHT, ["done", "interrupted", "restored"]),
    ],
    ids=[
        "while another runs",
        "while held",
        "while held, which fails",
        "a second one, and restoring",
    ],
)
def test_an_interrupt_ends_the_run_and_nothing_else(body: str, said: list[str]) -> None:
    program = [sys.executable, "-c", PROGRAM.format(body.strip())]
    run = subprocess.run(program, capture_output=True, text=True, timeout=120, check=False)
    assert run.stdout.split("\n")[:-1] == said, run.stderr
