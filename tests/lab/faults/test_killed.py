"""A deploy that is killed at any of its steps: the next one goes on, and nothing is half done.

Hosts: box1 (gpu, gateway) from bare to proven; box2 (gpu) for a change.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from tests.lab.faults.contents import ENVIRONMENTS, contents
from tests.lab.faults.killed import killed, timed_deploy, where
from tests.lab.faults.table import record
from tests.lab.site import STACK, Run, Site

BOX, OTHER = "box1", "box2"
SERVING: dict[str, tuple[str, ...]] = {BOX: ("gpu", "gateway")}
# The gateway is declared, but takes half a minute to deploy.
ENGINE: dict[str, tuple[str, ...]] = {OTHER: ("gpu",), "box4": ("gateway",)}
OLLAMA = "llmrack-ollama@main.service"
LOCAL = {
    "providers": {"local": STACK["providers"]["local"]},
    "models": {"llama3.2:1b": {"provider": "local"}},
}
# What llmrack notes of itself grows with the steps, and an archive stays until it is unpacked.
PASSING = ("/var/lib/llmrack", "/home/llm/.cache/llmrack")
# More runs than there are steps.
MANY = 120


def test_a_deploy_that_is_killed_at_each_step_comes_to_the_same_end(
    module_site: Site, fresh: Callable[[str], None]
) -> None:
    site = module_site
    site.declare(SERVING)
    fresh(BOX)
    site.deployed()
    whole = contents(site, BOX)
    fresh(BOX)
    small = {path: told for path, told in whole.items() if not path.startswith(ENVIRONMENTS)}
    places: list[str] = []
    change, step = "", 1
    while not places or places[-1] != "at the proof":
        run = killed(site, str(step))
        places.append(where(run))
        assert len(places) < MANY, run.output
        # A change of several steps begins with its first one again.
        before, change = change, last_change(run)
        step = step + 1 if change == before else 1
        if places[-1].startswith("after"):
            there = contents(site, BOX, without=ENVIRONMENTS)
            ours = {path: told for path, told in there.items() if not path.startswith(PASSING)}
            assert {path: told for path, told in ours.items() if small.get(path) != told} == {}
    took = timed_deploy(site)
    assert contents(site, BOX) == whole
    site.settled()
    middle = sum(place.startswith("in") for place in places)
    record(
        "a deploy of a bare host is killed at every step, again and again",
        "each next one goes on; in the end as if nothing had been",
        f"{len(places)} runs killed, {middle} of them in the middle of a step; after each, every "
        "file is whole or absent; the same files as never interrupted; a further run changes "
        "nothing",
        took,
    )


def last_change(run: Run) -> str:
    """The last change that a run has begun."""
    return re.findall(r"\[box\d\] (\S.*): ", run.output)[-1]


def test_a_change_of_ollama_that_is_killed_at_any_step_is_made_up_for(
    module_site: Site, fresh: Callable[[str], None]
) -> None:
    site = module_site
    site.only = OTHER
    fresh(OTHER)
    site.declare(ENGINE, LOCAL)
    site.deployed()
    places: list[str] = []
    while not places or places[-1] != "at the proof":
        number = len(places) + 1
        wanted = f"{100 + number}s"
        site.declare(ENGINE, LOCAL, ollama_environment={"OLLAMA_KEEP_ALIVE": wanted})
        places.append(where(killed(site, str(number))))
        site.deployed()
        assert site.environment_of(OTHER, OLLAMA)["OLLAMA_KEEP_ALIVE"] == wanted
        assert number < MANY
    site.settled()
    assert site.on(OTHER, "ls -d /home/llm/.config/llmrack/ollama.before*", check=False) == ""
    record(
        "a change of a serving Ollama is killed at its first, second, ... last step",
        "the next run makes it, and proves it",
        f"{len(places)} of {len(places)} made and proven by the next run",
    )
