"""Which declared name a client means."""

from __future__ import annotations

import pytest

from llmrack.shipped.gateway.requests.names import Names
from tests.unit.declare import stack

LLAMA, CLOUD = "llama3.1:latest", "gpt-oss:20b-cloud"
ALIASES = {"gpt": LLAMA, "claude-*": LLAMA, "claude-opus-*": CLOUD}
MEANT = [
    (LLAMA, LLAMA),
    ("gpt", LLAMA),
    ("claude-sonnet-4-5", LLAMA),
    ("claude-opus-4", CLOUD),
    ("nobody", "nobody"),
]


@pytest.mark.parametrize(("asked", "meant"), MEANT)
def test_the_gateway_knows_which_name_is_meant(asked: str, meant: str) -> None:
    names = Names({LLAMA: {}, CLOUD: {}}, ALIASES)
    assert names.meant(asked) == meant


@pytest.mark.parametrize(("asked", "meant"), MEANT)
def test_the_stack_knows_the_same(asked: str, meant: str) -> None:
    assert stack(aliases=ALIASES).meant(asked) == meant


def test_a_name_that_is_declared_means_itself_whatever_begins_so() -> None:
    names = Names({"claude-3": {}}, {"claude-*": "x"})
    assert names.meant("claude-3") == "claude-3"
