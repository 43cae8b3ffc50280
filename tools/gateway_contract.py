"""Runs what holds the gateway to LiteLLM, and says which points broke: `make gateway-contract`.

    python -m tools.gateway_contract            with the LiteLLM of the lock file
    python -m tools.gateway_contract VERSION    with another release, its dependencies resolved anew

The points and their tests are those of docs/litellm.md.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tools.lock import GATEWAY, Refused, resolve

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "litellm.md"
_ROW = re.compile(r"^\| (?P<text>.+) \| (?P<used>.+) \| (?P<held>`.+`) \|$", re.MULTILINE)


@dataclass(frozen=True)
class Point:
    """A row of the page.

    + text: what is expected of LiteLLM
    + used: where the package counts on it
    + tests: that hold it, as pytest names them
    """

    text: str
    used: str
    tests: tuple[str, ...]

    def fails(self, failed: Collection[str]) -> list[str]:
        """Those of the failed tests that hold it; one name stands for all of its parameters."""
        return [
            test for test in failed if test in self.tests or test.partition("[")[0] in self.tests
        ]


def points(page: str) -> list[Point]:
    """The points of docs/litellm.md. KeyError for a module of tests that does not exist."""
    folders = (ROOT / "tests" / "lab", ROOT / "tests" / "contract")
    modules = {path.name: path for folder in folders for path in folder.glob("test_*.py")}
    found = []
    for row in _ROW.finditer(page):
        names = [name.partition("::") for name in re.findall(r"`([^`]+)`", row["held"])]
        tests = tuple(f"{modules[file].relative_to(ROOT)}::{test}" for file, _, test in names)
        found.append(Point(row["text"], row["used"], tests))
    return found


def report(litellm: str, held: Sequence[Point], failed: Mapping[str, str]) -> str:
    """What broke, for people.

    + litellm: which LiteLLM it was
    + failed: the tests that failed, and why
    """
    broken = [point for point in held if point.fails(failed)]
    if not broken:
        return f"{litellm} holds all {len(held)} points of docs/litellm.md."
    lines = [f"{litellm} breaks {len(broken)} of {len(held)} points of docs/litellm.md:"]
    for point in broken:
        lines += [f"- {point.text}", f"  used in {point.used}; failed:"]
        lines += [f"    {test}: {failed[test]}" for test in point.fails(failed)]
    return "\n".join(lines)


class _Failures:
    """A plugin of pytest that notes the tests that failed, and why."""

    def __init__(self) -> None:
        self.tests: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            lines = report.longreprtext.splitlines()
            # pytest marks what failed; without a traceback there is nothing else.
            reasons = [line[1:].strip() for line in lines if line.startswith("E ")] or lines
            self.tests.setdefault(report.nodeid, reasons[0] if reasons else "")


def fresh_lock(version: str, folder: Path) -> Path:
    """A lock file for this LiteLLM, in ``folder``; nothing in it is as it was locked before.

    Raises Refused where its dependencies cannot be had, or are too young.
    """
    text = (ROOT / GATEWAY.folder / GATEWAY.source).read_text()
    asked = re.sub(r"^(litellm\[.+\]==).+$", rf"\g<1>{version}", text, flags=re.MULTILINE)
    (folder / GATEWAY.source).write_text(asked)
    file = folder / GATEWAY.file
    resolve(folder, replace(GATEWAY, folder="."), file)
    return file


def main(arguments: Sequence[str]) -> int:
    """Run the contract; 0 where every point holds."""
    held = points(PAGE.read_text())
    tests = dict.fromkeys(test for point in held for test in point.tests)
    failures = _Failures()
    with tempfile.TemporaryDirectory() as folder:
        if arguments:
            file = fresh_lock(arguments[0], Path(folder))
            os.environ["LLMRACK_TEST_GATEWAY_LOCK"] = str(file)
        ended = pytest.main(["-p", "no:randomly", *tests], plugins=[failures])
    litellm = f"LiteLLM {arguments[0]}" if arguments else "The locked LiteLLM"
    if ended in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        print(report(litellm, held, failures.tests))
    return int(ended)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Refused as error:
        sys.exit(f"Nothing was tried. {error}")
