"""Canaries in every command that shows, checks, changes or proves what is declared."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from llmrack_lab.lab import Lab
from tests.lab.canary import BOX, Evidence, Looked
from tests.lab.canary_places import (
    EVERYWHERE,
    assert_as_meant,
    assert_closed_on_the_controller,
    assert_closed_on_the_host,
    assert_hidden,
    assert_only_gateways_have_keys,
    files,
    gathered,
    printed,
)
from tests.lab.canary_runs import (
    commands,
)
from tests.lab.site import Site

# Everything that is run before the first test, on a machine that is busy.
pytestmark = pytest.mark.timeout(1500)


@pytest.fixture(scope="module")
def evidence(lab: Lab, module_site: Site, fresh: Callable[[str], None]) -> Iterator[Evidence]:
    """A first deploy, every command, a deploy with keys from a vault, a drill."""
    fresh(BOX)
    with gathered(module_site, commands) as found:
        yield found


PLACES: dict[str, Callable[[Evidence], Looked]] = EVERYWHERE | {
    "a deploy that fails for a mistake in the stack": lambda e: printed(e, "fails for a mistake"),
    "llmrack plan, check, graph, schema, curl, status": lambda e: printed(
        e,
        *(f"llmrack {each}" for each in ("plan", "check", "graph", "schema", "curl", "status")),
    ),
    "pyinfra debug-inventory": lambda e: printed(e, "debug-inventory"),
    "reports as tables and JSON": lambda e: printed(e, "llmrack verify"),
    "reports as JUnit": lambda e: files(e, "verify.xml", "drill.xml"),
    "llmrack bundle": lambda e: printed(e, "llmrack bundle"),
    "the bundle": lambda e: files(e, "bundle/*", "bundle/**/*.json", "bundle/**/Packages"),
    "llmrack secrets": lambda e: printed(e, "llmrack secrets", "fails: "),
    "a deploy from a vault (-vvv --debug-all --diff)": lambda e: printed(e, "the deploy from"),
    "llmrack models and keys": lambda e: printed(e, "llmrack models", "llmrack keys"),
    "the audit trail": lambda e: files(e, "private/*.jsonl"),
}


def test_the_runs_went_as_they_were_meant_to(evidence: Evidence) -> None:
    assert_as_meant(evidence, {"llmrack plan": "its keys are a systemd credential"})


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
