"""Units that nobody declares any more are removed, the others are left alone."""

from __future__ import annotations

from llmrack.components.ollama.instances import UndeclaredInstances
from llmrack.resources.look import PathSeen, Seen

UNITS = "/home/llm/.config/systemd/user"
LINK = PathSeen("l", "llm", 0o777, "")


def seen(*paths: str) -> Seen:
    return Seen(paths={f"{UNITS}/{path}": LINK for path in paths})


def undeclared(*declared: str) -> UndeclaredInstances:
    return UndeclaredInstances("llm", UNITS, "/home/llm/env", frozenset(declared))


def test_declared_units_stay():
    present = seen("default.target.wants/llmrack-ollama@main.service")
    assert undeclared("llmrack-ollama@main.service").change(present, ()) is None


def test_an_instance_goes_with_its_environment():
    present = seen(
        "default.target.wants/llmrack-ollama@a.service",
        "default.target.wants/llmrack-ollama@b.service",
        "llmrack-ollama@b.service.wants/llmrack-warm-up@b.service",
    )
    change = undeclared("llmrack-ollama@a.service").change(present, ())
    assert change.why == "to be removed: llmrack-ollama@b.service, llmrack-warm-up@b.service"
    script = change.actions[0].script
    assert "/home/llm/env/b.env" in script and "/home/llm/env/a.env" not in script


def test_a_warm_up_goes_alone_when_nothing_is_preloaded():
    present = seen(
        "default.target.wants/llmrack-ollama@a.service",
        "llmrack-ollama@a.service.wants/llmrack-warm-up@a.service",
    )
    change = undeclared("llmrack-ollama@a.service").change(present, ())
    assert change.why == "to be removed: llmrack-warm-up@a.service"
    assert ".env" not in change.actions[0].script


def test_other_units_of_the_user_are_none_of_ours():
    present = seen("default.target.wants/llmrack-gateway@blue.service", "x.wants/mine.service")
    assert undeclared().change(present, ()) is None
