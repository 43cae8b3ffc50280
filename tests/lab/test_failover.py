"""What clients see when an instance fails, for each cause, and when it is asked again.

The stand-ins are of vLLM, of another Ollama, of an OpenAI-like service and of Ollama Cloud; the
gateway watches the first two.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.asking import Outcome
from tests.lab.failover_trials import AT_ONCE, Trial, run_all, trials
from tests.lab.faults.table import record
from tests.lab.front import QUICK

TRIALS = [each.name for each in trials()]
BROKEN_OFF = [each.name for each in trials() if each.broken_off]
# How the log calls them; what is missing here has broken off.
KINDS = {
    "refused": ("connection",),
    "401": ("key",),
    "429": ("rate limit",),
    "500": ("server",),
    "missing": ("not found",),
    "black hole": ("connection",),
    "name": ("name",),
    "certificate": ("TLS",),
    "hang": (),
    "frozen": ("connection",),
    # Before its first token, or after it.
    "reset": ("connection", "broken off"),
}
# What is done, for the table of faults.
FAULTS = {
    "refused": "refuses connections",
    "401": "answers 401",
    "429": "answers 429 with Retry-After",
    "500": "answers 500",
    "missing": "does not know the model (404)",
    "black hole": "takes no packet any more",
    "name": "its name is unknown to DNS",
    "certificate": "its certificate is for another name",
    "hang": "takes requests and answers nothing",
    "frozen": "stops in the middle of everything",
    "reset": "resets the connection in a stream",
    "cut": "ends the connection in a stream",
    "end": "ends a stream before its last event",
    "error": "sends an error in a stream",
}
# What the shared machine of a test may add to a deadline, in seconds.
SLACK = 10.0


@pytest.fixture(scope="module")
def run(gateway_python: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Trial]:
    return run_all(gateway_python, tmp_path_factory.mktemp("failover"))


def first(trial: Trial) -> Outcome:
    assert trial.first
    return trial.first


@pytest.mark.parametrize("name", [name for name in TRIALS if name not in BROKEN_OFF])
def test_the_request_that_finds_out_is_answered_by_another_instance(
    run: dict[str, Trial], name: str
) -> None:
    found = first(run[name])
    assert found.whole, found
    assert found.by.startswith("backup-")


@pytest.mark.parametrize("name", BROKEN_OFF)
def test_a_stream_that_breaks_off_ends_with_an_error(run: dict[str, Trial], name: str) -> None:
    found = first(run[name])
    assert found.text
    assert "broke off before its answer was whole" in found.error


@pytest.mark.parametrize("name", TRIALS)
def test_the_log_of_requests_has_the_class_of_the_failure(run: dict[str, Trial], name: str) -> None:
    trial = run[name]
    # Of a busy machine's own making: a deadline that was missed before the trial began.
    assert trial.noted - {"timeout"} <= set(KINDS.get(trial.cause, ("broken off",)))
    assert trial.noted


@pytest.mark.parametrize("name", TRIALS)
def test_no_answer_is_a_part_of_one_or_parts_of_two(run: dict[str, Trial], name: str) -> None:
    trial = run[name]
    assert not [each for each in (first(trial), *trial.others, *trial.after) if each.false]


@pytest.mark.parametrize("name", TRIALS)
def test_one_request_hits_it_each_time_it_is_put_aside(run: dict[str, Trial], name: str) -> None:
    trial = run[name]
    # A sign of life that is missed may tell before any request does.
    assert trial.hits <= trial.periods
    failed = [each for each in trial.others if not each.whole]
    assert len(failed) <= (trial.periods - 1 if trial.broken_off else 0)
    of_cause = [each for each in run.values() if each.cause == trial.cause]
    if trial is of_cause[0]:
        note(of_cause)


def note(trials: list[Trial]) -> None:
    """The row of a cause, whatever the kind of provider and of answer."""
    asked = [each for trial in trials for each in (first(trial), *trial.others)]
    away = [trial.away for trial in trials if trial.away is not None]
    broken_off = sum(not each.whole for each in asked)
    seen = f"{len(asked) - broken_off} of {len(asked)} requests answered whole"
    if broken_off:
        seen += f", {broken_off} begun streams ended with an error"
    record(
        f"provider: {FAULTS[trials[0].cause]}",
        "others answer; a stream that has begun ends with an error",
        seen,
        max(away) if away else None,
    )


@pytest.mark.parametrize("name", [name for name in TRIALS if "-name-" not in name])
def test_it_is_used_again_when_it_is_well_without_a_failed_request(
    run: dict[str, Trial], name: str
) -> None:
    trial = run[name]
    assert trial.before and trial.before.by == f"{name}/{name}"
    assert trial.returned
    assert all(each.whole for each in trial.after)


@pytest.mark.parametrize("name", TRIALS)
def test_the_first_token_comes_within_the_declared_deadlines(
    run: dict[str, Trial], name: str
) -> None:
    cause, found = run[name].cause, first(run[name])
    declared = {"black hole": QUICK["connect_timeout"]}.get(cause, QUICK["first_token_timeout"])
    assert found.first is not None
    assert found.first < (0 if cause in AT_ONCE else declared) + SLACK
