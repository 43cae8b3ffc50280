"""Three instances under 32 clients of OpenAI's SDK, one of which dies and comes back.

A stream that has given tokens cannot be continued by anybody else: it ends in an error for its
client. All other requests are answered. ``bench/changes.py`` does the same with 5,000 of them.
"""

from __future__ import annotations

import pytest

from tests.lab.changes import Changes
from tests.lab.deaths import DEATHS, death_under_load
from tests.lab.load import lost
from tests.lab.site import Site

REQUESTS = 500


@pytest.fixture(scope="module")
def changes(module_site: Site) -> Changes:
    made = Changes(module_site)
    made.deploy()
    return made


@pytest.mark.parametrize("death", DEATHS)
def test_no_request_is_lost_but_streams_that_had_begun(changes: Changes, death: str) -> None:
    answers = death_under_load(changes, death, REQUESTS)
    assert len(answers) >= REQUESTS
    assert lost([each for each in answers if not each.is_broken_off]) == {}
