"""What happens when an instance fails, for each cause, kind of provider and kind of answer.

Each trial has an instance of its own that breaks, so they run side by side.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trustme

from bench.asking import Outcome
from bench.breakable import Breakable
from tests.lab.front import COOLDOWN, Front, breakable, provider

WATCHED = ("vllm", "ollama-remote")
# Streams that have given tokens when it happens: nobody else can go on with those.
BROKEN_OFF = ("reset", "cut", "end", "error")
AT_ONCE = ("refused", "401", "429", "500", "missing")
# What LiteLLM has one way for, whatever the kind, is tried with two of them.
CAUSES = {
    "vllm": (*AT_ONCE, "black hole", "name", "certificate", "hang", "frozen", *BROKEN_OFF),
    "ollama-remote": (*AT_ONCE, "black hole", "hang", "end", "error"),
    "openai-compatible": (*AT_ONCE, "black hole", "name", "certificate", "hang", *BROKEN_OFF),
    "ollama-cloud": ("401", "429", "black hole", "end"),
}
RETURN_DEADLINE = 20.0
PATIENT = {"connect_timeout": 20, "first_token_timeout": 30, "stream_timeout": 30}
TOGETHER = 6


@dataclass
class Trial:
    """A cause, and what came of it.

    + before: the answer while all was well
    + first: what the request got that found out
    + others: what those got that came while it was broken
    + hits: attempts on the broken instance meanwhile
    + periods: how often it has been put aside meanwhile, at most
    + after: what those got that came after it was mended
    + returned: whether the last one of them reached it
    + away: seconds from when it was mended until then
    + noted: classes of failed attempts in the log of requests
    """

    kind: str
    cause: str
    stream: bool
    before: Outcome | None = None
    first: Outcome | None = None
    others: list[Outcome] = field(default_factory=list)
    hits: int = 0
    periods: int = 0
    after: list[Outcome] = field(default_factory=list)
    returned: bool = False
    away: float | None = None
    noted: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:
        """Its model's name, and its provider's."""
        way = "stream" if self.stream else "plain"
        return f"{self.kind}-{self.cause}-{way}".replace(" ", "-")

    @property
    def broken_off(self) -> bool:
        """Whether tokens have reached the client when it happens."""
        return self.stream and self.cause in BROKEN_OFF


def trials() -> list[Trial]:
    """All of them, yet to be run."""
    return [
        Trial(kind, cause, stream)
        for kind, causes in CAUSES.items()
        for cause in causes
        # A reset may overtake tokens that have been sent: nobody can say what its stream got.
        for stream in ((False,) if cause == "reset" else (True, False))
    ]


def run_all(python: Path, folder: Path) -> dict[str, Trial]:
    """Run them, some at a time; by name."""
    every = trials()
    authority = trustme.CA()
    pem = authority.cert_pem.bytes().decode()
    with contextlib.ExitStack() as opened:
        backups = {kind: opened.enter_context(breakable(kind)) for kind in CAUSES}
        broken: dict[str, Breakable] = {}
        providers = {
            # Patient, for they are well, and the machine may be busy.
            f"backup-{kind}": provider(kind, at, priority=2, **PATIENT)
            for kind, at in backups.items()
        }
        for each in every:
            tls = authority if each.cause == "certificate" else None
            at = broken[each.name] = opened.enter_context(breakable(each.kind, tls))
            settings: dict[str, Any] = {"tls_ca": pem} if tls else {}
            if each.cause == "black hole":
                # What finds a connection dead that was open: no deadline for answers does.
                settings["first_token_timeout"] = None
            providers[each.name] = provider(each.kind, at, **settings)
            if each.cause == "name":
                url = str(providers[each.name]["url"])
                providers[each.name]["url"] = url.replace("127.0.0.1", "nobody.invalid")
        models: dict[str, Any] = {
            each.name: {"provider": [each.name, f"backup-{each.kind}"], "model": "m"}
            for each in every
        }
        models |= {
            f"backup-{kind}": {"provider": f"backup-{kind}", "model": "m"} for kind in CAUSES
        }
        front = opened.enter_context(
            Front(python, folder, {"providers": providers, "models": models})
        )
        for kind in CAUSES:
            # LiteLLM loads what it needs for a provider when it is first asked.
            assert front.ask(f"backup-{kind}").whole
        with ThreadPoolExecutor(TOGETHER) as pool:
            list(pool.map(lambda each: _run(front, each, broken[each.name]), every))
        print(front.process.log)
        for line in (folder / "requests.jsonl").read_text().splitlines():
            noted = json.loads(line)
            for trial in every:
                if trial.name == noted["model"]:
                    trial.noted |= {attempt["error"] for attempt in noted["attempts"]}
    return {each.name: each for each in every}


def _run(front: Front, trial: Trial, at: Breakable) -> None:
    deployment = f"{trial.name}/{trial.name}"
    if trial.cause != "name":
        # A busy machine may be slower than the deadline: then the backup has answered.
        for outcome in _every(0.1, RETURN_DEADLINE, front, trial):
            trial.before = outcome
            if outcome.by == deployment:
                break
        at.fail(trial.cause)
    asked, began = front.attempts(deployment), time.monotonic()
    trial.first = front.ask(trial.name, trial.stream)
    # Mostly ends before a cool-down does: a period is seen.
    trial.others = list(_every(0.1, 0.75 * COOLDOWN, front, trial))
    trial.hits = front.attempts(deployment) - asked
    # Where somebody watches, one of its own requests that is answered ends a period.
    watched = trial.kind in WATCHED
    proven = sum(each["status"] == 200 for each in at.asked(own=True))
    trial.periods = 1 + (proven if watched else int((time.monotonic() - began) / COOLDOWN))
    if trial.cause == "name":
        return
    at.mend()
    mended = time.monotonic()
    for outcome in _every(0.1, RETURN_DEADLINE, front, trial):
        trial.after.append(outcome)
        if outcome.whole and outcome.by == deployment:
            trial.returned, trial.away = True, time.monotonic() - mended
            return


def _every(pause: float, seconds: float, front: Front, trial: Trial) -> Iterator[Outcome]:
    """Answers one after the other; there is no more to wait for between them."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield front.ask(trial.name, trial.stream)
        time.sleep(pause)
