"""Changes to a fleet that serves requests from outside, by OpenAI's SDK: none of them is lost.

Each kind of change is made once here (a changed configuration: test_deploy.py), and 20 times by
``bench/changes.py``.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from llmrack.components.gateway.service import COLOURS, service
from tests.lab.changes import ENGINES, GATEWAY, Changes
from tests.lab.load import lost
from tests.lab.site import Site

DROP_IN = "/home/llm/.config/systemd/user/llmrack-gateway@.service.d/hurry.conf"


@pytest.fixture(scope="module")
def changes(module_site: Site) -> Changes:
    made = Changes(module_site)
    made.deploy()
    return made


@pytest.mark.parametrize("kind", ["key", "version"])
def test_a_new_release_loses_no_request(changes: Changes, kind: str) -> None:
    before = changes.colour()
    with changes.load() as load:
        changes.kinds[kind]()
        load.wait_for(20)
    assert changes.colour() != before
    assert lost(load.answers) == {}


def test_engines_that_restart_one_by_one_lose_no_request_but_streams_that_had_begun(
    changes: Changes,
) -> None:
    with changes.load() as load:
        changes.engine()
        load.wait_for(20)
    whole = [answer.by for answer in load.answers if not answer.lost]
    assert set(whole) == set(ENGINES)
    # Ollama ends with whatever it is saying.
    assert lost([each for each in load.answers if not each.is_broken_off]) == {}


@pytest.fixture
def little_patience(changes: Changes) -> Iterator[None]:
    """Two minutes are what a release has to get ready: too long for a test."""
    site = changes.site
    text = "[Service]\\nTimeoutStartSec=10\\n"
    site.as_service(GATEWAY, f"mkdir -p {DROP_IN}; rmdir {DROP_IN}; printf '{text}' >{DROP_IN}")
    yield
    site.as_service(GATEWAY, f"rm -r $(dirname {DROP_IN}); systemctl --user daemon-reload")


@pytest.mark.usefixtures("little_patience")
def test_a_release_that_never_gets_ready_leaves_the_old_one_serving(changes: Changes) -> None:
    before = changes.colour()
    (other,) = set(COLOURS) - {before}
    with changes.load() as load:
        run = changes.broken(
            "llmrack/shipped/gateway/serve.py",
            "    listener = bind(args.listen) if args.listen else passed_socket()",
            "    listener = bind(args.listen) if args.listen else __import__('signal').pause()",
        )
        load.wait_for(20)
    assert run.code == 1
    assert f"{service(other)}" in run.output
    assert changes.colour() == before
    state = changes.site.as_service(
        GATEWAY, f"systemctl --user is-active {service(other)}", check=False
    )
    assert state in ("inactive", "failed")
    assert lost(load.answers) == {}
