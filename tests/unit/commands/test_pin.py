"""`llmrack pin ollama`: asked from a mirror, written into group_data."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmrack_lab.standins.mirror import Mirror
from tests.unit.stack.ollama.test_pinning import OLD, PLAIN, listed

NEW = {"amd64": "c" * 64, "arm64": "d" * 64}


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Mirror]:
    """A mirror that has the checksums of 0.35.0, and of 0.17.1 and 0.17.0."""
    for version in ("0.35.0", "0.17.1", "0.17.0"):
        folder = tmp_path / "mirror" / f"v{version}"
        folder.mkdir(parents=True)
        (folder / "sha256sum.txt").write_text(listed(**NEW))
    server = Mirror(("127.0.0.1", 0), tmp_path / "mirror")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def url(mirror: Mirror) -> str:
    host, port = mirror.server_address[:2]
    return f"http://{host!s}:{port}"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "group_data").mkdir(parents=True)
    (folder / "group_data" / "gpu.py").write_text(PLAIN)
    (folder / "inventory").write_text('gpu = ["box1"]\n')
    return folder


def pin(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).parent / "llmrack", "pin", "ollama", *arguments],
        cwd=project,
        env={**os.environ, "NO_PROXY": "*"},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


def settings(project: Path) -> str:
    return (project / "group_data" / "gpu.py").read_text()


def pinned() -> str:
    return (
        PLAIN.replace("0.34.4", "0.35.0")
        .replace(OLD["amd64"], NEW["amd64"])
        .replace(OLD["arm64"], NEW["arm64"])
    )


def test_the_declared_mirror_is_asked(project: Path, mirror: Mirror) -> None:
    inventory = f'gpu = [("box1", {{"ollama_mirror": "{url(mirror)}"}})]\n'
    (project / "inventory").write_text(inventory)
    run = pin(project, "0.35.0")
    assert (run.returncode, run.stderr) == (0, "")
    assert f"{url(mirror)}/v0.35.0/sha256sum.txt" in run.stdout
    assert settings(project) == pinned()


def test_a_mirror_in_group_data_is_asked(project: Path, mirror: Mirror) -> None:
    setting = f'ollama_mirror = "{url(mirror)}/"\n'
    (project / "group_data" / "gpu.py").write_text(PLAIN + setting)
    assert pin(project, "0.35.0").returncode == 0
    assert settings(project) == pinned() + setting


def test_the_change_is_shown(project: Path, mirror: Mirror) -> None:
    shown = pin(project, "0.35.0", "--mirror", url(mirror)).stdout.splitlines()
    assert shown[:2] == ["--- group_data/gpu.py", "+++ group_data/gpu.py"]
    assert '-ollama_version = "0.34.4"' in shown and '+ollama_version = "0.35.0"' in shown
    assert f'+    "arm64": "{NEW["arm64"]}",' in shown


def test_a_mirror_of_the_command_needs_no_inventory(project: Path, mirror: Mirror) -> None:
    (project / "inventory").unlink()
    assert pin(project, "v0.35.0", "--mirror", url(mirror)).returncode == 0
    assert settings(project) == pinned()


def test_a_second_run_changes_nothing(project: Path, mirror: Mirror) -> None:
    pin(project, "0.35.0", "--mirror", url(mirror))
    before = (project / "group_data" / "gpu.py").stat().st_mtime_ns
    run = pin(project, "0.35.0", "--mirror", url(mirror))
    message = "group_data/gpu.py names Ollama 0.35.0 already, with these checksums\n"
    assert (run.returncode, run.stdout) == (0, message)
    assert (project / "group_data" / "gpu.py").stat().st_mtime_ns == before


def test_mode_and_link_of_the_file_stay(project: Path, mirror: Mirror) -> None:
    file = project / "group_data" / "gpu.py"
    file.rename(project / "real.py")
    (project / "real.py").chmod(0o640)
    file.symlink_to("../real.py")
    assert pin(project, "0.35.0", "--mirror", url(mirror)).returncode == 0
    assert file.is_symlink() and settings(project) == pinned()
    assert (project / "real.py").stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in project.iterdir()) == ["group_data", "inventory", "real.py"]


def test_an_unknown_version_is_refused_in_a_sentence(project: Path, mirror: Mirror) -> None:
    run = pin(project, "0.99.0", "--mirror", url(mirror))
    assert run.returncode == 1 and settings(project) == PLAIN
    assert run.stderr == (
        f"Error: nothing was changed: there is no Ollama 0.99.0: {url(mirror)}/v0.99.0/"
        "sha256sum.txt answers 404; https://github.com/ollama/ollama/releases lists what there is\n"
    )


def test_a_version_with_a_known_hole_is_refused(project: Path, mirror: Mirror) -> None:
    run = pin(project, "0.17.0", "--mirror", url(mirror))
    assert run.returncode == 1 and settings(project) == PLAIN
    assert "CVE-2026-7482" in run.stderr and "choose 0.32.10 or later" in run.stderr


def test_a_version_that_can_skip_digests_is_pinned_with_a_warning(
    project: Path, mirror: Mirror
) -> None:
    run = pin(project, "0.17.1", "--mirror", url(mirror))
    assert run.returncode == 0 and 'ollama_version = "0.17.1"' in settings(project)
    assert "warning: Ollama 0.17.1 can skip the digest check" in run.stderr


@pytest.mark.parametrize("version", ["latest", "0.35", "../../etc", "0.35.0/x", "0.35.0?x"])
def test_what_is_no_version_is_refused(project: Path, mirror: Mirror, version: str) -> None:
    run = pin(project, version, "--mirror", url(mirror))
    assert run.returncode == 1 and "is no version; write it as 0.34.4" in run.stderr


def test_a_mirror_that_is_no_address_is_refused(project: Path) -> None:
    run = pin(project, "0.35.0", "--mirror", "file:///etc")
    assert run.returncode == 1 and "--mirror is no http:// or https:// URL" in run.stderr


def test_a_release_without_one_of_the_archives_is_refused(project: Path, mirror: Mirror) -> None:
    (mirror.directory / "v0.35.0" / "sha256sum.txt").write_text(listed(amd64="c" * 64))
    run = pin(project, "0.35.0", "--mirror", url(mirror))
    assert run.returncode == 1 and settings(project) == PLAIN
    assert "has no checksum for ollama-linux-arm64.tar.zst" in run.stderr


def test_settings_that_a_program_computes_are_left_to_a_hand(project: Path, mirror: Mirror) -> None:
    text = PLAIN.replace('"0.34.4"', "VERSION")
    (project / "group_data" / "gpu.py").write_text("VERSION = '0.34.4'\n" + text)
    run = pin(project, "0.35.0", "--mirror", url(mirror))
    assert run.returncode == 1 and settings(project).endswith(text)
    assert "group_data/gpu.py:2 computes ollama_version; set it by hand:" in run.stderr
    assert 'ollama_version = "0.35.0"\n' in run.stderr


@pytest.mark.parametrize("fault", ["reset", "long", "loop"])
def test_a_mirror_that_fails_is_told_and_nothing_is_changed(
    project: Path, mirror: Mirror, fault: str
) -> None:
    # More than the mirror sends before it fails.
    more = "".join(f"{number:064x}  ./file-{number}\n" for number in range(500))
    (mirror.directory / "v0.35.0" / "sha256sum.txt").write_text(listed(**NEW) + more)
    mirror.set_fault(fault)
    run = pin(project, "0.35.0", "--mirror", url(mirror))
    assert run.returncode == 2 and settings(project) == PLAIN
    assert "cannot be reached" in run.stderr and "--mirror" in run.stderr


def test_half_a_list_is_refused(project: Path, mirror: Mirror) -> None:
    mirror.set_fault("short")
    run = pin(project, "0.35.0", "--mirror", url(mirror))
    assert run.returncode == 1 and settings(project) == PLAIN


def test_a_host_that_has_another_release_all_the_same_is_told(
    project: Path, mirror: Mirror
) -> None:
    mirror_setting = f'{{"ollama_mirror": "{url(mirror)}"}}'
    other = f'{{"ollama_version": "0.33.0", **{mirror_setting}}}'
    (project / "inventory").write_text(f'gpu = [("box1", {mirror_setting}), ("box2", {other})]\n')
    run = pin(project, "0.35.0")
    assert run.returncode == 0
    assert run.stderr == "box2 is given another ollama_version elsewhere, which counts\n"


def test_a_mistake_in_the_inventory_is_told(project: Path) -> None:
    (project / "inventory").write_text("gpu = [\n")
    run = pin(project, "0.35.0")
    assert run.returncode == 2 and "is not Python" in run.stderr and settings(project) == PLAIN


def test_a_digest_that_the_settings_lack_is_told(project: Path, mirror: Mirror) -> None:
    rocm = {"amd64-rocm": "e" * 64}
    (mirror.directory / "v0.35.0" / "sha256sum.txt").write_text(listed(**NEW, **rocm))
    run = pin(project, "0.35.0", "--mirror", url(mirror))
    assert run.returncode == 0 and settings(project) == pinned()
    assert run.stderr == (
        "group_data/gpu.py has no digest for amd64-rocm, which hosts with cards of AMD's need: add "
        f'"amd64-rocm": "{"e" * 64}" to ollama_sha256 if you have any\n'
    )
