"""A host's disk: one folder to write in, over saved layers and the base."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmrack_lab.disk import MOST_LAYERS, Disk
from llmrack_lab.shell import LabError


def written(folder: Path, text: str) -> Disk:
    """A disk on which a host has written `text`."""
    disk = Disk(folder)
    disk.prepare()
    (folder / "upper" / "etc").mkdir()
    (folder / "upper" / "etc" / "file").write_text(text)
    return disk


def layer_text(folder: Path, layer: str) -> str:
    return (folder / "layers" / layer / "etc" / "file").read_text()


def test_a_disk_is_new_until_something_was_written(tmp_path: Path) -> None:
    assert Disk(tmp_path).is_new
    assert not written(tmp_path, "").is_new


def test_a_disk_without_layers_lies_on_the_base(tmp_path: Path) -> None:
    assert Disk(tmp_path).prepare() == "base"


def test_everybody_may_enter_the_root_of_a_disk(tmp_path: Path) -> None:
    Disk(tmp_path).prepare()
    assert (tmp_path / "upper").stat().st_mode & 0o777 == 0o755


def test_what_is_saved_becomes_the_top_layer(tmp_path: Path) -> None:
    assert written(tmp_path, "first").save() == ("1",)
    disk = written(tmp_path, "second")
    assert disk.save() == ("2", "1")
    assert [layer_text(tmp_path, layer) for layer in ("1", "2")] == ["first", "second"]
    assert disk.prepare() == "2:1:base"
    assert not any((tmp_path / "upper").iterdir())


def test_a_disk_on_a_layer_is_not_new(tmp_path: Path) -> None:
    written(tmp_path, "").save()
    assert not Disk(tmp_path).is_new


def test_a_disk_goes_back_to_a_layer_and_forgets_what_was_written(tmp_path: Path) -> None:
    disk = written(tmp_path, "first")
    saved = disk.save()
    written(tmp_path, "second").save()
    written(tmp_path, "third").go_back(saved)
    assert disk.prepare() == "1:base"
    assert not any((tmp_path / "upper").iterdir())


def test_a_wiped_disk_lies_on_the_base_and_is_new(tmp_path: Path) -> None:
    disk = written(tmp_path, "first")
    disk.save()
    written(tmp_path, "second").wipe()
    assert disk.is_new
    assert disk.prepare() == "base"


def test_a_save_that_was_killed_before_the_move_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, "first").save()
    disk = written(tmp_path, "second")
    rename = Path.rename

    def rename_no_disk(path: Path, target: Path) -> Path:
        if path.name == "upper":
            raise KeyboardInterrupt
        return rename(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", rename_no_disk)
        with pytest.raises(KeyboardInterrupt):
            disk.save()
    assert disk.prepare() == "1:base"
    assert (tmp_path / "upper" / "etc" / "file").read_text() == "second"
    assert disk.save() == ("2", "1")


def test_only_layers_that_nobody_needs_are_removed(tmp_path: Path) -> None:
    disk = written(tmp_path, "first")
    first = disk.save()
    written(tmp_path, "second").save()
    disk.go_back(first)
    written(tmp_path, "third").save()
    disk.remove_unused({"1"})
    assert sorted(path.name for path in (tmp_path / "layers").iterdir() if path.is_dir()) == [
        "1",
        "3",
    ]


def test_what_is_removed_waits_for_the_boot_that_removes_it(tmp_path: Path) -> None:
    written(tmp_path, "").wipe()
    assert list((tmp_path / "removed").glob("*/etc/file"))
    assert not (tmp_path / "upper" / "etc").exists()


def test_a_disk_takes_no_more_layers_than_it_can_be_mounted_with(tmp_path: Path) -> None:
    for _ in range(MOST_LAYERS):
        written(tmp_path, "").save()
    with pytest.raises(LabError, match=rf"{tmp_path.name}: its disk lies on {MOST_LAYERS} saved"):
        Disk(tmp_path).check_room()
    # util-linux 2.39 and later hand the kernel at most so many characters.
    assert len(Disk(tmp_path).prepare()) < 256
