"""Running the machine's own commands, with errors that a person can act on."""

from __future__ import annotations

import os
import selectors
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

Progress = Callable[[str], None]
"""Told what is going on, in a few words; called at least every few seconds."""


def silent(message: str) -> None:
    """The progress of who wants to hear none."""
    del message


TALK_EVERY = 2.0
"""Seconds between two progress lines of one long command."""


class LabError(Exception):
    """The lab cannot do what was asked; the message says where, why and what to do."""


def run(
    argv: Sequence[str | Path],
    *,
    input: str | None = None,
    check: bool = True,
    env: Mapping[str, str] | None = None,
    timeout: float = 60,
) -> subprocess.CompletedProcess[str]:
    """Run a command and return what it printed.

    `timeout` is in seconds; `env` is added to this process's environment. Raises LabError with the
    end of its error output when it fails (unless `check` is false) or takes too long.
    """
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(  # noqa: S603  (no shell, the lab's own words)
            words,
            input=input if input is not None else "",
            capture_output=True,
            text=True,
            errors="replace",
            env={**os.environ, **(env or {})},
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise LabError(f"`{_short(words)}` did not end within {timeout:.0f} s") from None
    except FileNotFoundError:
        raise LabError(f"`{words[0]}` is not on this machine") from None
    if check and done.returncode:
        raise LabError(_failure(words, done.returncode, done.stderr or done.stdout))
    return done


def remove_folder(folder: Path) -> None:
    """Remove a folder with everything in it, if it is there.

    By rm, as shutil.rmtree runs out of open files where gevent is in the process: its os.close of a
    folder waits for its loop (gevent 25.8.1). Raises LabError.
    """
    run(["rm", "-rf", "--one-file-system", "--", folder], timeout=600)


def stream(argv: Sequence[str | Path], progress: Progress, *, title: str, log: Path) -> None:
    """Run a long command: its output goes to `log`, its newest line to `progress` now and then.

    Raises LabError with the last lines of the log when it fails.
    """
    words = [str(word) for word in argv]
    started = time.monotonic()
    with (
        log.open("wb") as sink,
        subprocess.Popen(  # noqa: S603  (no shell, the lab's own words)
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as process,
        selectors.DefaultSelector() as selector,
    ):
        assert process.stdout is not None  # noqa: S101  (stdout=PIPE above)
        selector.register(process.stdout, selectors.EVENT_READ)
        last, spoke = b"", started
        while True:
            if selector.select(TALK_EVERY):
                chunk = os.read(process.stdout.fileno(), 65536)
                if not chunk:
                    break
                sink.write(chunk)
                lines = [line for line in chunk.splitlines() if line.strip()]
                last = lines[-1] if lines else last
            if time.monotonic() - spoke >= TALK_EVERY:
                spoke = time.monotonic()
                text = last.decode(errors="replace").strip()[:60]
                progress(f"{title} ({spoke - started:.0f} s): {text}")
    if process.returncode:
        raise LabError(_failure(words, process.returncode, log.read_text(errors="replace")))


def wait_until(
    condition: Callable[[], bool],
    deadline: float,
    *,
    every: float = 0.1,
    tell: Progress | None = None,
) -> bool:
    """Poll `condition` until it holds (True) or `deadline` seconds are over (False).

    `tell` hears the seconds gone by, every few seconds.
    """
    started = spoke = time.monotonic()
    while not condition():
        now = time.monotonic()
        if now - started > deadline:
            return False
        if tell and now - spoke >= TALK_EVERY:
            spoke = now
            tell(f"{now - started:.0f} s")
        time.sleep(every)
    return True


def _short(words: Sequence[str]) -> str:
    text = " ".join(words)
    return text if len(text) <= 120 else text[:117] + "..."


def _failure(words: Sequence[str], code: int, output: str) -> str:
    tail = " | ".join(line.strip() for line in output.strip().splitlines()[-5:])
    return f"`{_short(words)}` failed with exit code {code}: {tail or 'it printed nothing'}"
