"""A host's disk: a folder that it writes in, over read-only layers and the base."""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Sequence
from pathlib import Path

from llmrack_lab import state
from llmrack_lab.shell import LabError

MOST_LAYERS = 40
"""Layers of one disk. Their names must fit in one mount option: 255 characters."""


class Disk:
    """The disk in the folder of one host. Nothing may be mounted over it while it is changed.

    What the host writes goes to ``upper``. `save` moves that to ``layers`` as it is, so that it
    costs no copying: overlayfs reads its own marks of removed files and replaced folders there,
    too. ``layers.json`` names the layers that the disk lies on, the newest first.

    What is not needed any more goes to ``removed``, which ``keeper.sh`` removes while the host
    boots: the 27,000 files of a gateway take seconds, and minutes on a busy drive.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._upper = folder / "upper"
        self._layers = folder / "layers"

    @property
    def is_new(self) -> bool:
        """Whether no host has booted from it yet."""
        return not self.layers and not (self._upper / "etc").exists()

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers that it lies on, the newest first; the base below them is none."""
        file = self._folder / "layers.json"
        names = json.loads(file.read_text()) if file.exists() else []
        # A layer is announced before it is there.
        return tuple(name for name in names if (self._layers / name).is_dir())

    def prepare(self) -> str:
        """Make the folders for mounting it.

        Returns overlayfs's option ``lowerdir``, whose names are relative to the folder ``layers``;
        ``base`` is for the caller to put there.
        """
        for folder in (self._upper, self._layers, self._folder / "work", self._folder / "root"):
            folder.mkdir(parents=True, exist_ok=True)
        # The upper folder's mode is that of the host's /.
        self._upper.chmod(0o755)
        return ":".join((*self.layers, "base"))

    def check_room(self) -> None:
        """Raise LabError if it lies on as many layers as it can."""
        if len(self.layers) >= MOST_LAYERS:
            raise LabError(
                f"{self._folder.name}: its disk lies on {MOST_LAYERS} saved states, each made from "
                "the one before, and cannot take another; `llmrack lab back` to an early one, or "
                f"`llmrack lab reset {self._folder.name}`, makes room"
            )

    def save(self) -> tuple[str, ...]:
        """Make a layer of what was written; returns the layers that it lies on from now on."""
        name = str(max((int(path.name) for path in self._all_layers()), default=0) + 1)
        self.prepare()
        self._lie_on([name, *self.layers])
        self._upper.rename(self._layers / name)
        self._remove(self._folder / "work")
        self.prepare()
        return self.layers

    def go_back(self, layers: Sequence[str]) -> None:
        """Forget what was written, and lie on these layers."""
        for name in ("upper", "work"):
            self._remove(self._folder / name)
        self._lie_on(layers)
        self.prepare()

    def wipe(self) -> None:
        """Forget what was written, and lie on the base alone; the layers stay."""
        self.go_back(())

    def remove_unused(self, used: Collection[str]) -> None:
        """Remove the layers that are not `used` and that it does not lie on."""
        needed = {*used, *self.layers}
        for path in self._all_layers():
            if path.name not in needed:
                self._remove(path)

    def _all_layers(self) -> list[Path]:
        return list(self._layers.glob("[1-9]*"))

    def _lie_on(self, layers: Sequence[str]) -> None:
        state.write(self._folder / "layers.json", json.dumps(list(layers)) + "\n")

    def _remove(self, folder: Path) -> None:
        if folder.exists():
            removed = self._folder / "removed" / uuid.uuid4().hex
            removed.parent.mkdir(exist_ok=True)
            folder.rename(removed)
