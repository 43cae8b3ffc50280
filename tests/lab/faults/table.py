"""The table of faults in docs/reliability.md: tests note rows, ``make faults`` writes them.

A row is noted where a test has seen what it expects, so that the table has nothing that no test
shows. ``python -m tests.lab.faults.table`` writes the table from what was noted.
"""

from __future__ import annotations

import ast
import json
import os
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "reliability.md"
NOTED = ROOT / ".lab" / "faults"
BEGIN, END = "<!-- written by make faults -->\n", "<!-- to here -->\n"
COLUMNS = ("fault", "expected", "seen", "recovery")


def record(fault: str, expected: str, seen: str, recovery_s: float | None = None) -> None:
    """Note a row of the table; called by a test that has seen it.

    + fault: what is done to what, as in ``gateway: kill -9 while it streams``
    + expected: what has to happen
    + seen: what happened, with counts where there are some
    + recovery_s: seconds until all was as before; None where nothing was away
    """
    test = os.environ["PYTEST_CURRENT_TEST"].rsplit(" ", 1)[0]
    NOTED.mkdir(parents=True, exist_ok=True)
    name = sha256(f"{test}\n{fault}".encode()).hexdigest()[:16]
    row = {
        "test": test,
        "fault": fault,
        "expected": expected,
        "seen": seen,
        "recovery": "-" if recovery_s is None else f"{recovery_s:.1f} s",
    }
    (NOTED / f"{name}.json").write_text(json.dumps(row))


def heading(module: Path) -> str:
    """The first line of a module's docstring, without its full stop."""
    text = ast.get_docstring(ast.parse(module.read_text())) or module.stem
    return text.splitlines()[0].rstrip(".")


def table(rows: list[dict[str, str]]) -> str:
    """The noted rows as Markdown, a table for each module of tests."""
    text = ""
    for module in sorted({row["test"].split("::")[0] for row in rows}):
        text += f"\n### {heading(ROOT / module)}\n\n`{module}`\n\n"
        text += f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}\n"
        mine = [row for row in rows if row["test"].split("::")[0] == module]
        for row in sorted(mine, key=lambda row: row["fault"]):
            cells = (row[column].replace("|", "\\|") for column in COLUMNS)
            text += f"| {' | '.join(cells)} |\n"
    return text


def main() -> None:
    """Write what was noted into the page, between its two marks."""
    rows = [json.loads(path.read_text()) for path in NOTED.glob("*.json")]
    page = PAGE.read_text()
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    PAGE.write_text(f"{before}{BEGIN}{table(rows)}\n{END}{after}")


if __name__ == "__main__":
    main()
