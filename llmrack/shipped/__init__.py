"""Programs that run on hosts or in a gateway's release.

They import nothing of llmrack's other rooms.
"""

from pathlib import Path


def source(name: str) -> str:
    """The text of one program, by its path in this folder (``host/metrics.py``)."""
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def package(name: str) -> dict[str, str]:
    """The texts of a package's modules, by their paths with the package first, sorted."""
    folder = Path(__file__).parent
    modules = sorted(str(path.relative_to(folder)) for path in (folder / name).rglob("*.py"))
    return {module: source(module) for module in modules}
