"""What somebody edited on a host: shown before it is undone, kept where that is asked for."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator

import pytest

from tests.lab.faults.table import record
from tests.lab.site import Run, Site

BOX = "box1"
# The gateway is declared, but not deployed: it takes half a minute, and is not what this is about.
BOXES = {BOX: ("gpu",), "box3": ("gateway",)}
UNIT = "llmrack-ollama@main.service"
UNIT_FILE = "/home/llm/.config/systemd/user/llmrack-ollama@.service"
DROP_IN = f"/home/llm/.config/systemd/user/{UNIT}.d/own.conf"
RESTART = f"systemctl --user daemon-reload; systemctl --user restart {UNIT}"
TYPED_IN = "hand-typed-8f7e6d5c"


@pytest.fixture(scope="module")
def deployed(module_site: Site, fresh: Callable[[str], None]) -> Site:
    fresh(BOX)
    module_site.only = "gpu"
    module_site.declare(BOXES)
    module_site.deployed()
    return module_site


@pytest.fixture
def site(deployed: Site) -> Iterator[Site]:
    """One engine, with a unit that was edited by hand and runs so."""
    deployed.as_service(
        BOX,
        f"sed -i 's/^NoNewPrivileges=yes/Environment=MY_API_KEY={TYPED_IN}/' {UNIT_FILE}; "
        f"{RESTART}",
    )
    assert edit_is_in_use(deployed)
    yield deployed
    deployed.deployed()
    assert not edit_is_in_use(deployed)


def edit_is_in_use(site: Site) -> bool:
    return "MY_API_KEY" in site.environment_of(BOX, UNIT)


def shown(run: Run) -> list[str]:
    """The lines of the diff, without what stands before them."""
    return re.findall(r"\[box1\] ((?:---|\+\+\+|@@|[-+ ]).*)", run.output)


def test_a_plan_shows_the_edit_and_hides_a_key_that_was_typed_in(site: Site) -> None:
    before = site.listing(BOX)
    run = site.run("pyinfra", site.inventory, "deploy.py", "--dry", "--limit", BOX)
    assert f"would change File {UNIT_FILE}: edited by hand" in run.output
    assert f"--- {UNIT_FILE} (as edited)" in shown(run)
    assert "-Environment=MY_API_KEY=********" in shown(run)
    assert "+NoNewPrivileges=yes" in shown(run)
    assert TYPED_IN not in run.output
    assert site.listing(BOX) == before


def test_a_deploy_shows_the_edit_that_it_undoes(site: Site) -> None:
    begun = time.monotonic()
    run = site.deployed()
    took = time.monotonic() - begun
    assert "-Environment=MY_API_KEY=********" in shown(run)
    assert not edit_is_in_use(site)
    site.settled()
    record(
        "hand edit: a line of a unit, with a key typed in",
        "shown without the key, then undone",
        "the diff shows ********, the unit runs as declared",
        took,
    )


def test_an_edit_stays_where_that_is_asked_for_and_costs_no_further_look(site: Site) -> None:
    run = site.deploy("--debug", "--data", f"keep_edits={UNIT_FILE}")
    assert run.code == 0, run.output
    assert not run.changed, run.output
    assert run.commands == {BOX: 1}
    assert f"{UNIT_FILE} was edited by hand, and stays so (keep_edits)" in run.output
    assert edit_is_in_use(site)
    record(
        "hand edit: of a file that keep_edits names",
        "it stays, and that is said",
        "it stays; nothing changed, one look",
    )


def test_a_changed_declaration_is_no_edit(deployed: Site) -> None:
    deployed.declare(BOXES, ollama_environment={"OLLAMA_KEEP_ALIVE": "81s"})
    run = deployed.deployed()
    assert "main.env: content differs" in run.output
    assert "edited by hand" not in run.output


def test_a_drop_in_stays_and_is_in_use(deployed: Site) -> None:
    deployed.as_service(
        BOX,
        f"mkdir -p {DROP_IN.rpartition('/')[0]}; "
        f"printf '[Service]\\nEnvironment=OWN=1\\n' > {DROP_IN}; {RESTART}",
    )
    deployed.settled()
    deployed.declare(BOXES, ollama_environment={"OLLAMA_KEEP_ALIVE": "82s"})
    deployed.deployed()
    environment = deployed.environment_of(BOX, UNIT)
    assert (environment["OWN"], environment["OLLAMA_KEEP_ALIVE"]) == ("1", "82s")
    record(
        "hand edit: a drop-in is added",
        "it stays and is in use",
        "in use, also after a change of the declaration",
    )
