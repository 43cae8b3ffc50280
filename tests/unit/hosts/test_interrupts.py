"""Ctrl-C reaches the greenlet that it is meant for."""

from __future__ import annotations

import subprocess
import sys
import tomllib

import pytest

from tests import ROOT

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


# The signal comes when the named module is looked for.
IMPORTING = """
import os, signal, sys

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupt())
sys.argv = ["llmrack", "--version"]
from llmrack.__main__ import main
try:
    main()
except SystemExit:
    print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)
"""


@pytest.mark.parametrize(
    "module", ["llmrack.cli", "click", "gevent", "pydantic", "llmrack_lab.cli"]
)
def test_an_interrupt_while_modules_are_imported_ends_the_command_without_a_word(
    module: str,
) -> None:
    program = [sys.executable, "-c", IMPORTING.format(module=module)]
    run = subprocess.run(program, capture_output=True, text=True, timeout=120, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (130, "", "")


def test_a_command_is_interrupted_as_any_python_program() -> None:
    program = [sys.executable, "-c", IMPORTING.format(module="no such module")]
    run = subprocess.run(program, capture_output=True, text=True, timeout=120, check=True)
    assert run.stdout.splitlines()[-1] == "True"


def test_a_command_that_shall_ignore_interrupts_does() -> None:
    words = ["env", "--ignore-signal=INT", sys.executable, "-c", IMPORTING.format(module="click")]
    run = subprocess.run(words, capture_output=True, text=True, timeout=120, check=True)
    assert run.stdout.splitlines()[-1] == "False"


def test_the_installed_command_begins_there() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["scripts"] == {"llmrack": "llmrack.__main__:main"}
