"""Lines of progress: plain ones at a reader's pace, live ones below the log on a terminal."""

from __future__ import annotations

import io
import sys
from contextlib import redirect_stderr
from types import SimpleNamespace

import click
import gevent
import pytest

from llmrack.hosts import progress
from llmrack.hosts.progress import heard, say, signs_of_life, transfer
from llmrack.hosts.screen import Screen
from tests import DEADLINE

HOST = SimpleNamespace(name="box1", print_prefix="[box1] ")


@pytest.fixture
def lines(monkeypatch):
    """What is said."""
    found = []
    # The logger's method, bound when ``say`` was defined.
    monkeypatch.setattr(say, "__defaults__", (found.append,))
    return found


@pytest.fixture
def clock(monkeypatch):
    """A clock that is put forward by hand."""
    now = SimpleNamespace(time=1000.0)
    monkeypatch.setattr(progress.time, "monotonic", lambda: now.time)
    return now


def test_a_transfer_is_told_every_two_seconds_with_rate_and_time_left(lines, clock):
    with transfer(HOST, "llama3.2:1b") as meter:
        for _ in range(9):
            meter(int((clock.time - 1000) * 10e6), 100_000_000)
            clock.time += 0.5
    assert lines == [
        "[box1] llama3.2:1b:  20% of 100 MB, 10.0 MB/s, 8 s left",
        "[box1] llama3.2:1b:  40% of 100 MB, 10.0 MB/s, 6 s left",
    ]


def test_what_was_there_before_does_not_count_as_speed(lines, clock):
    with transfer(HOST, "llama3.2:1b") as meter:
        meter(50_000_000, 100_000_000)
        clock.time += 2
        meter(60_000_000, 100_000_000)
    assert lines == ["[box1] llama3.2:1b:  60% of 100 MB, 5.0 MB/s, 8 s left"]


def test_a_transfer_that_stands_still_has_no_time_left(lines, clock):
    with transfer(HOST, "llama3.2:1b") as meter:
        meter(50, 100)
        clock.time += 2
        meter(50, 100)
    assert lines == ["[box1] llama3.2:1b:  50% of 0 MB, 0.0 MB/s"]


class Terminal(io.TextIOWrapper):
    """A terminal of 80 columns."""

    def __init__(self):
        super().__init__(io.BytesIO(), encoding="utf-8", write_through=True)

    def isatty(self):
        return True

    @property
    def shown(self):
        return self.buffer.getvalue().decode()


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return Terminal()


def test_a_terminal_gets_a_line_that_goes_when_the_transfer_ends(terminal):
    with redirect_stderr(terminal):
        with Screen().line("box1", "llama3.2:1b") as draw:
            draw(0, 4_000_000)
            assert "box1 llama3.2:1b" in terminal.shown
            assert "0.0/4.0 MB" in terminal.shown
        assert sys.stderr is terminal
    assert "llama3.2:1b" not in terminal.shown.rpartition("\x1b[2K")[2]


def test_the_log_scrolls_above_the_live_line(terminal):
    with redirect_stderr(terminal), Screen().line("box1", "llama3.2:1b") as draw:
        draw(0, 4_000_000)
        click.echo(click.style("[box2] Success", fg="green"), err=True)
        # The live line is cleared before, and drawn again below.
        before, _, after = terminal.shown.rpartition("\x1b[32m[box2] Success")
        assert before.endswith("\x1b[2K")
        assert "box1 llama3.2:1b" in after


def test_pyinfras_spinner_gives_way_to_the_live_lines(terminal):
    with redirect_stderr(terminal), Screen().line("box1", "llama3.2:1b") as draw:
        draw(0, 4_000_000)
        sys.stderr.write("    | 0% (0/3) - {box1}\r")
        sys.stderr.flush()
        sys.stderr.write("\033[K")
    assert "0% (0/3)" not in terminal.shown


def test_long_names_leave_room_for_the_numbers(terminal):
    name = "hf.co/maker/a-model-GGUF:Q4_K_M" * 2
    with redirect_stderr(terminal), Screen().line("gpu-17.example.com", name) as draw:
        draw(1_000_000_000, 40_000_000_000)
    assert "1.0/40.0 GB" in terminal.shown


def test_a_dumb_terminal_gets_plain_lines(terminal, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    with redirect_stderr(terminal):
        assert not Screen().is_capable


def test_silence_is_broken_by_a_sign_of_life(lines, monkeypatch):
    monkeypatch.setattr(progress, "SILENCE", 0.02)
    with signs_of_life(HOST, "Venv /x"), gevent.Timeout(DEADLINE):
        while not lines:
            gevent.sleep(0.01)
    assert lines[0] == "[box1] Venv /x: 0 s so far"


def test_no_sign_of_life_while_something_else_is_said(lines, monkeypatch):
    # So long that no busy machine takes it for silence.
    monkeypatch.setattr(progress, "SILENCE", 1)
    with signs_of_life(HOST, "OllamaModel x"):
        for _ in range(30):
            gevent.sleep(0.05)
            heard(HOST)
    assert lines == []
