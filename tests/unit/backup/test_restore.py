"""A backup: what it has, that a wiped folder plans the same after an import, and all or nothing."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import tarfile
from pathlib import Path

import pytest
import trustme
import yaml

from llmrack.backup.archive import MANIFEST, BackupError, write_backup
from llmrack.backup.restore import restore
from tests import ROOT
from tests.unit.declare import SHA, STACK
from tests.unit.test_cli import CANARIES, llmrack

# Nobody answers there, at once.
INVENTORY = """\
_data = {"ollama_version": "0.34.4", "ollama_sha256": %r, "ssh_port": 1}
gpu = [("box1", _data | {"ssh_hostname": "127.0.0.1"})]
gateway = ["box1"]
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with everything that a backup may hold."""
    folder = tmp_path / "project"
    (folder / "templates").mkdir(parents=True)
    shutil.copytree(ROOT / "templates" / "gateway", folder / "templates" / "gateway")
    (folder / "group_data").mkdir()
    (folder / "group_data" / "all.py").write_text(
        'service_home = "/srv/llm"\nca_file = "company.pem"\n'
    )
    trustme.CA().cert_pem.write_to_path(str(folder / "company.pem"))
    (folder / "inventory").write_text(INVENTORY % SHA)
    (folder / "weights.gguf").write_bytes(b"GGUF")
    (folder / "keys.json").write_text(json.dumps({"me": {"sha256": "c" * 64, "issued": "now"}}))
    (folder / ".llmrack").mkdir()
    (folder / ".llmrack" / "gpus.json").write_text("{}")
    trustme.CA().cert_pem.write_to_path(str(folder / "ca.pem"))
    (folder / "ca.pem").chmod(0o640)
    stack = STACK | {
        "providers": STACK["providers"]
        | {"office": {"kind": "ollama-remote", "url": "https://office:443", "tls_ca": "ca.pem"}},
        "models": STACK["models"]
        | {
            "mine": {
                "provider": "local",
                "create": {"gguf": "weights.gguf", "sha256": hashlib.sha256(b"GGUF").hexdigest()},
            },
            "far": {"provider": "office"},
        },
        "keys": {"me": {}},
    }
    (folder / "stack.yaml").write_text(yaml.safe_dump(stack, sort_keys=False))
    (folder / ".env").write_text("".join(f"{k}={v}\n" for k, v in CANARIES.items()))
    (folder / ".env").chmod(0o600)
    for name in CANARIES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def two_files(tmp_path: Path) -> Path:
    """A backup of the files a and b/c."""
    folder = tmp_path / "from"
    (folder / "b").mkdir(parents=True)
    (folder / "a").write_text("a\n")
    (folder / "b" / "c").write_text("c\n")
    write_backup(tmp_path / "backup.tar", ["a", "b/c"], folder, None)
    return tmp_path / "backup.tar"


def below(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_text() for path in files}


def tampered(backup: Path, name: str, content: bytes | None) -> Path:
    """The backup with another content of a member, or without that member."""
    made = backup.with_name("tampered.tar")
    with tarfile.open(backup) as old, tarfile.open(made, "w") as new:
        for member in old.getmembers():
            file = old.extractfile(member)
            assert file
            text = file.read()
            if member.name == name:
                if content is None:
                    continue
                text = content
                member.size = len(text)
            new.addfile(member, io.BytesIO(text))
    return made


def test_plan_is_the_same_after_a_wipe_and_an_import(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = llmrack("plan", "--files").stdout
    assert "box1 (127.0.0.1; gateway, gpu, inventory)" in before
    made = llmrack("export", str(tmp_path / "backup.tar.gz"), "--with-env")
    assert made.returncode == 0, made.stderr
    shutil.rmtree(project)
    project.mkdir()
    monkeypatch.chdir(project)
    done = llmrack("import", str(tmp_path / "backup.tar.gz"))
    assert done.returncode == 0, done.stderr
    assert llmrack("plan", "--files").stdout == before


def test_backup_has_what_a_clone_lacks_and_no_key_in_clear(project: Path, tmp_path: Path) -> None:
    run = llmrack("export", str(tmp_path / "backup.tar.gz"))
    assert f"not in it: {project / '.env'} (--with-env" in run.stderr
    content = gzip.decompress((tmp_path / "backup.tar.gz").read_bytes())
    assert not [value for value in CANARIES.values() if value.encode() in content]
    with tarfile.open(tmp_path / "backup.tar.gz") as tar:
        file = tar.extractfile(MANIFEST)
        assert file
        names = set(json.loads(file.read())["files"])
    assert names == {
        *("inventory", "stack.yaml", "group_data/all.py", "keys.json", "ca.pem", "weights.gguf"),
        "company.pem",
        *("templates/gateway/requirements.in", "templates/gateway/requirements.txt"),
        *("templates/gateway/uv.in", "templates/gateway/uv.txt", ".llmrack/gpus.json"),
    }


def test_backup_is_for_its_owner_alone(project: Path, tmp_path: Path) -> None:
    llmrack("export", str(tmp_path / "backup.tar"))
    assert (tmp_path / "backup.tar").stat().st_mode & 0o777 == 0o600


def test_gateway_that_does_not_answer_is_named_and_no_obstacle(
    project: Path, tmp_path: Path
) -> None:
    run = llmrack("export", str(tmp_path / "backup.tar"))
    assert run.returncode == 0
    assert "box1: what it was asked is not in it: no connection" in run.stderr


def test_modes_come_back(project: Path, tmp_path: Path) -> None:
    llmrack("export", str(tmp_path / "backup.tar"), "--with-env")
    clone = tmp_path / "clone"
    clone.mkdir()
    restore(tmp_path / "backup.tar", clone, force=False)
    assert (clone / ".env").stat().st_mode & 0o777 == 0o600
    assert (clone / "ca.pem").stat().st_mode & 0o777 == 0o640


def test_form_is_told_by_the_name(project: Path, tmp_path: Path) -> None:
    run = llmrack("export", str(tmp_path / "backup.zip"))
    assert run.returncode == 1
    assert "let it end in .tar, .tar.gz, .tgz" in run.stderr


def test_file_elsewhere_goes_back_there(tmp_path: Path) -> None:
    far, folder = tmp_path / "far", tmp_path / "here"
    far.write_text("far")
    folder.mkdir()
    write_backup(tmp_path / "backup.tar", [str(far)], folder, None)
    far.unlink()
    assert restore(tmp_path / "backup.tar", folder, force=False).written == (str(far),)
    assert far.read_text() == "far"


def test_file_that_differs_is_named_and_nothing_is_changed(two_files: Path, tmp_path: Path) -> None:
    folder = tmp_path / "to"
    folder.mkdir()
    (folder / "a").write_text("mine")
    with pytest.raises(BackupError, match=r"^a: there already, and different"):
        restore(two_files, folder, force=False)
    assert below(folder) == {"a": "mine"}


def test_force_replaces_what_differs(two_files: Path, tmp_path: Path) -> None:
    folder = tmp_path / "to"
    folder.mkdir()
    (folder / "a").write_text("mine")
    restore(two_files, folder, force=True)
    assert below(folder) == {"a": "a\n", "b/c": "c\n"}


def test_second_import_changes_nothing(two_files: Path, tmp_path: Path) -> None:
    folder = tmp_path / "to"
    folder.mkdir()
    restore(two_files, folder, force=False)
    again = restore(two_files, folder, force=False)
    assert (again.written, again.same) == ((), ("a", "b/c"))


@pytest.mark.parametrize("content", [b"d\n", None])
def test_damaged_backup_changes_nothing(
    two_files: Path, tmp_path: Path, content: bytes | None
) -> None:
    folder = tmp_path / "to"
    folder.mkdir()
    (folder / "a").write_text("mine")
    with pytest.raises(BackupError, match=r"b/c is .*nothing was changed"):
        restore(tampered(two_files, "files/inside/b/c", content), folder, force=True)
    assert below(folder) == {"a": "mine"}
    assert not (folder / "b").exists()


def test_backup_that_was_cut_short_changes_nothing(project: Path, tmp_path: Path) -> None:
    llmrack("export", str(tmp_path / "backup.tar.gz"))
    whole = (tmp_path / "backup.tar.gz").read_bytes()
    (tmp_path / "short.tar.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "to").mkdir()
    with pytest.raises(BackupError, match="nothing was changed"):
        restore(tmp_path / "short.tar.gz", tmp_path / "to", force=False)
    assert below(tmp_path / "to") == {}


def test_file_that_is_no_backup_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("no archive\n")
    with pytest.raises(BackupError, match=r"notes: it cannot be read \([^\n]+$"):
        restore(tmp_path / "notes", tmp_path / "to", force=False)


def test_place_that_cannot_be_written_to_undoes_the_rest(two_files: Path, tmp_path: Path) -> None:
    folder = tmp_path / "to"
    folder.mkdir()
    # Where a folder is to be, there is a file.
    (folder / "b").write_text("in the way")
    with pytest.raises(BackupError, match="nothing was changed"):
        restore(two_files, folder, force=True)
    assert below(folder) == {"b": "in the way"}


def test_name_that_leads_out_of_the_folder_is_refused(two_files: Path, tmp_path: Path) -> None:
    manifest = {"llmrack": "1", "made": "now"}
    manifest["files"] = {"../x": {"sha256": "a" * 64, "size": 1, "mode": 420}}  # type: ignore[assignment]
    with pytest.raises(BackupError, match=r"\.\./x leads out of the folder"):
        restore(tampered(two_files, MANIFEST, json.dumps(manifest).encode()), tmp_path, force=True)


def test_other_archives_are_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "other.tar", "w"):
        pass
    with pytest.raises(BackupError, match=r"it has no manifest\.json that this version reads"):
        restore(tmp_path / "other.tar", tmp_path, force=False)


def test_import_says_that_another_version_made_the_backup(
    two_files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tarfile.open(two_files) as tar:
        file = tar.extractfile(MANIFEST)
        assert file
        manifest = json.loads(file.read()) | {"llmrack": "0.0.1"}
    (tmp_path / "to").mkdir()
    monkeypatch.chdir(tmp_path / "to")
    run = llmrack("import", str(tampered(two_files, MANIFEST, json.dumps(manifest).encode())))
    assert run.returncode == 0
    assert "it was made by llmrack 0.0.1, and this is" in run.stderr
