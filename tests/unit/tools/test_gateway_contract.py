"""What `make gateway-contract` reads and says; the tests that it runs are not run here."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import gateway_contract
from tools.gateway_contract import Point, fresh_lock, points, report
from tools.lock import Lock

PAGE = """
| Point | Used in | Held by |
|---|---|---|
| `Router` asks | `attempt.py` | `test_litellm.py::test_point[x]`, `test_kinds.py::test_it` |
"""
TESTS = ("tests/contract/test_litellm.py::test_point[x]", "tests/lab/test_kinds.py::test_it")
POINT = Point("`Router` asks", "`attempt.py`", TESTS)


def test_a_row_of_the_page_is_a_point() -> None:
    assert points(PAGE) == [POINT]


@pytest.mark.parametrize(
    ("failed", "broken"),
    [
        ("tests/contract/test_litellm.py::test_point[x]", True),
        ("tests/contract/test_litellm.py::test_point[y]", False),
        ("tests/lab/test_kinds.py::test_it", True),
        ("tests/lab/test_kinds.py::test_it[speech]", True),
        ("tests/lab/test_kinds.py::test_it_too", False),
    ],
)
def test_what_broke_is_said_with_the_reason(failed: str, broken: bool) -> None:
    text = report("LiteLLM 2.0", [POINT], {failed: "KeyError: 'id'"})
    if broken:
        assert text.splitlines() == [
            "LiteLLM 2.0 breaks 1 of 1 points of docs/litellm.md:",
            "- `Router` asks",
            "  used in `attempt.py`; failed:",
            f"    {failed}: KeyError: 'id'",
        ]
    else:
        assert text == "LiteLLM 2.0 holds all 1 points of docs/litellm.md."


def test_another_release_is_resolved_without_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def resolve(root: Path, lock: Lock, output: Path) -> None:
        source = root / lock.folder / lock.source
        assert "litellm[proxy]==2.0.1" in source.read_text().splitlines()
        assert not output.exists()
        output.write_text("resolved")

    monkeypatch.setattr(gateway_contract, "resolve", resolve)
    assert fresh_lock("2.0.1", tmp_path).read_text() == "resolved"
