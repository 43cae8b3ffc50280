"""Programs that run on hosts. They import nothing of llmrack's other rooms."""

from pathlib import Path


def source(name: str) -> str:
    """The text of one program, by its path in this folder (``host/metrics.py``)."""
    return (Path(__file__).parent / name).read_text(encoding="utf-8")
