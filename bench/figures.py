"""Where a bench keeps its figures: in bench/README.md, between two marks of its own, or in JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

README = Path(__file__).with_name("README.md")


def keep(text: str, begin: str, end: str) -> None:
    """Put ``text`` between the lines ``begin`` and the next ``end`` of the README."""
    before, _, rest = README.read_text(encoding="utf-8").partition(begin)
    after = rest.partition(end)[2]
    README.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")


def keep_all(file: Path, circumstances: str, figures: dict[str, Any]) -> None:
    """Write every single figure to ``file``, numbers with three decimals."""
    exact = json.dumps({"circumstances": circumstances, "figures": figures})
    rounded = json.loads(exact, parse_float=lambda text: round(float(text), 3))
    file.write_text(json.dumps(rounded, indent=1) + "\n", encoding="utf-8")
