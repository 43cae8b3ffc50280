"""Canaries in deploys that fail, at every step and verbosity, and in our own mistakes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from llmrack_lab.lab import Lab
from tests.lab.canary import BOX, ENV_FILE, Evidence, Looked
from tests.lab.canary_places import (
    EVERYWHERE,
    assert_as_meant,
    assert_closed_on_the_controller,
    assert_closed_on_the_host,
    assert_hidden,
    assert_only_gateways_have_keys,
    gathered,
    printed,
)
from tests.lab.canary_runs import (
    STEPS,
    VERBOSITIES,
    at_step,
    failing,
)
from tests.lab.site import Site

# Everything that is run before the first test, on a machine that is busy.
pytestmark = pytest.mark.timeout(1500)


@pytest.fixture(scope="module")
def evidence(lab: Lab, module_site: Site, fresh: Callable[[str], None]) -> Iterator[Evidence]:
    """A first deploy, deploys that fail at every step, and one that does not."""
    fresh(BOX)
    with gathered(module_site, failing) as found:
        yield found


PLACES: dict[str, Callable[[Evidence], Looked]] = EVERYWHERE | {
    "deploys that fail at a step, at every verbosity": lambda e: printed(e, "fails at"),
    "facts and operations as pyinfra shows them": lambda e: printed(e, "shows"),
    "tracebacks of mistakes of ours": lambda e: printed(e, "fails by a mistake of ours"),
    "verification of a provider that hands keys back": lambda e: printed(e, "fails verification"),
}


def test_the_runs_went_as_they_were_meant_to(evidence: Evidence) -> None:
    reasons = {
        "fails at a model": "no-such-model",
        "fails at the proof": "not proven: gpt-oss:20b-cloud",
        **{at_step(step): said for step, (_, _, said) in STEPS.items()},
    }
    environment_file = STEPS["the environment file"][2]
    reasons |= {at_step("the environment file", each): environment_file for each in VERBOSITIES}
    reasons |= {name: "broken on purpose" for name in evidence.runs if "mistake of ours" in name}
    assert_as_meant(evidence, reasons)


@pytest.mark.parametrize("place", PLACES)
def test_no_secret_is_shown_or_kept_there(evidence: Evidence, place: str) -> None:
    assert_hidden(PLACES[place](evidence))


def test_secrets_are_never_open_to_others(evidence: Evidence) -> None:
    assert_closed_on_the_host(evidence)
    assert_closed_on_the_controller(evidence)


def test_on_the_host_the_gateways_keys_and_those_of_a_rollback_alone_are_secrets(
    evidence: Evidence,
) -> None:
    assert_only_gateways_have_keys(evidence)


def test_the_old_master_key_is_gone_from_the_host(evidence: Evidence) -> None:
    assert evidence.old_master not in evidence.site.on(BOX, f"cat {ENV_FILE}")
    assert evidence.new_master in evidence.site.on(BOX, f"cat {ENV_FILE}")
