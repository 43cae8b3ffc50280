"""Layers of file systems: what a script changes of a folder, kept beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from llmrack_lab import machine
from llmrack_lab.shell import LabError, run

# Mount and process namespaces of its own: whatever ends the script ends and unmounts all of it.
ALONE = (
    *("setpriv", "--pdeathsig", "KILL"),
    *("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"),
)
SCRIPT = Path(__file__).with_name("overlay.sh")


@dataclass(frozen=True)
class Overlay:
    """What is seen through several folders at once.

    + lower: the folders below, the topmost first; they are only read
    + bound: folders of this machine, by where they are seen while a script runs
    """

    lower: Sequence[Path]
    bound: Mapping[str, Path] = field(default_factory=dict)

    def run(self, layer: Path, script: str, seconds: float = 900) -> Path:
        """Run a script with it as the root; returns the folder with what it has changed.

        + layer: a folder of one's own, in which that folder is made

        Raises LabError.
        """
        layer.mkdir(parents=True, exist_ok=True)
        bound = [f"{place}={folder}" for place, folder in self.bound.items()]
        words: list[str | Path] = [*ALONE, "sh", SCRIPT, layer, script, *self.lower, *bound]
        run(words, timeout=seconds)
        upper = layer / "upper"
        if not upper.is_dir():
            raise LabError(f"nothing was made in {layer}")
        return upper


def package_settings(upper: Path) -> None:
    """Have a layer find packages as this machine does: apt, pip and uv."""
    for path, text in (
        ("etc/resolv.conf", machine.resolv_conf()),
        ("etc/pip.conf", machine.pip_conf()),
        ("etc/uv/uv.toml", machine.uv_toml()),
    ):
        file = upper / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
