"""The files that a host and its visitors get."""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path

from llmrack_lab import keys
from llmrack_lab.files import hosts_file, ssh_config, write_archive


def test_an_archive_is_private_and_keeps_modes_and_owners(tmp_path: Path) -> None:
    write_archive(tmp_path / "files.tar", {"root/key": ("secret", 0o600, 1000)})
    assert (tmp_path / "files.tar").stat().st_mode & 0o777 == 0o600
    with tarfile.open(tmp_path / "files.tar") as archive:
        entry = archive.getmember("root/key")
    assert (entry.mode, entry.uid, entry.gid) == (0o600, 1000, 1000)


def test_the_hosts_file_names_everything() -> None:
    text = hosts_file({"ollama.com": "10.77.0.3", "box1": "10.77.0.11"})
    assert text.splitlines()[-2:] == ["10.77.0.3 ollama.com", "10.77.0.11 box1"]


def test_ssh_understands_a_folder_with_blanks_and_percent_signs(tmp_path: Path) -> None:
    folder = tmp_path / "a folder 100%"
    folder.mkdir()
    (folder / "config").write_text(ssh_config(folder, {"box1": "10.77.0.11"}))
    argv = ["ssh", "-G", "-F", str(folder / "config"), "box1"]
    output = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    options = dict(line.split(" ", 1) for line in output.splitlines())
    assert options["hostname"] == "10.77.0.11"
    assert options["stricthostkeychecking"] == "true"
    # ssh -G prints the path before it expands "%%".
    assert options["identityfile"].replace("%%", "%") == str(folder / "id_ed25519")


def test_api_keys_are_private_and_kept(tmp_path: Path) -> None:
    first = keys.ensure_api_keys(tmp_path / "env")
    assert (tmp_path / "env").stat().st_mode & 0o777 == 0o600
    assert keys.ensure_api_keys(tmp_path / "env") == first
    assert len(set(first.values())) == len(keys.API_KEYS)


def test_an_api_key_that_was_set_by_hand_stays(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("OLLAMA_API_KEY=mine\n")
    assert keys.ensure_api_keys(tmp_path / "env")["OLLAMA_API_KEY"] == "mine"


def test_an_authority_is_kept_and_its_certificates_verify(tmp_path: Path) -> None:
    keys.Authority(tmp_path)
    certificate, key = keys.Authority(tmp_path).issue("ollama.com", "10.77.0.3")
    verify = ["openssl", "verify", "-verify_hostname", "ollama.com", "-CAfile"]
    done = subprocess.run(
        [*verify, str(tmp_path / "ca.pem"), str(certificate)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert key.stat().st_mode & 0o777 == 0o600
