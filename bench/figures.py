"""Where a bench keeps its figures: in bench/README.md, between two marks of its own."""

from __future__ import annotations

from pathlib import Path

README = Path(__file__).with_name("README.md")


def keep(text: str, begin: str, end: str) -> None:
    """Put ``text`` between the lines ``begin`` and the next ``end`` of the README."""
    before, _, rest = README.read_text(encoding="utf-8").partition(begin)
    after = rest.partition(end)[2]
    README.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")
