"""The scripts of a copy that can be tried without two hosts."""

from __future__ import annotations

import hashlib
import shlex
import subprocess

import pytest

from llmrack.deploy.transfer.copy_scripts import accept_key, refuse_key, send

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHIGOk9SiKWA5/7PdHM1GQ4rZQ1YVDzUJ7sTaWgTbhsA"
CONTENT = b"0123456789"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def models(tmp_path):
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / f"sha256-{DIGEST}").write_bytes(CONTENT)
    (tmp_path / "secret").write_text("secret")
    return tmp_path


def asked(models, command):
    environment = {"PATH": "/usr/bin:/bin"}
    if command is not None:
        environment["SSH_ORIGINAL_COMMAND"] = command
    return subprocess.run(["sh", "-c", send(str(models))], env=environment, capture_output=True)


@pytest.mark.parametrize("left_out", [0, 4, 10])
def test_a_blob_is_sent_from_where_it_is_asked_for(models, left_out):
    done = asked(models, f"{DIGEST} {left_out}")
    assert (done.returncode, done.stdout) == (0, CONTENT[left_out:])


@pytest.mark.parametrize(
    "command",
    [
        None,
        "",
        "id",
        DIGEST,
        f"{DIGEST} -1",
        f"{DIGEST} a",
        f"{DIGEST} 0 0",
        f"{DIGEST[1:]} 0",
        f"{DIGEST} 0\nid",
        f"{DIGEST} $(id)",
        f"{'../' * 20}secret 0",
        "/usr/lib/openssh/sftp-server",
    ],
)
def test_anything_else_is_refused(models, command):
    done = asked(models, command)
    assert (done.returncode, done.stdout) == (65, b"")


def change_keys(home, script, key=""):
    subprocess.run(
        ["sh", "-c", script],
        env={"PATH": "/usr/bin:/bin", "HOME": str(home)},
        input=f"{key}\n",
        text=True,
        check=True,
    )


@pytest.fixture
def keys(tmp_path):
    return tmp_path / ".ssh" / "authorized_keys"


def test_a_key_is_accepted_for_one_program_from_one_place(tmp_path, keys):
    change_keys(tmp_path, accept_key("run1", "run1-a", "10.0.0.2,fd00::2", "/models"), KEY)
    (line,) = keys.read_text().splitlines()
    options, *rest = shlex.split(line)
    assert rest == [*KEY.split(), "llmrack-copy-run1-a"]
    assert options.startswith("restrict,from=10.0.0.2,fd00::2,command=sh -c ")
    assert "expiry-time=20" in options
    assert keys.stat().st_mode & 0o777 == 0o600


def test_nothing_stays_of_a_key_that_was_the_only_one(tmp_path, keys):
    change_keys(tmp_path, accept_key("run1", "run1-a", "10.0.0.2", "/models"), KEY)
    change_keys(tmp_path, refuse_key("run1", "run1-a"))
    assert list(tmp_path.iterdir()) == []


def test_other_keys_stay_as_they_are(tmp_path, keys):
    keys.parent.mkdir()
    own = f'command="x  y" {KEY} me\n# a comment\n'
    keys.write_text(own)
    keys.chmod(0o640)
    change_keys(tmp_path, accept_key("run1", "run1-a", "10.0.0.2", "/models"), KEY)
    change_keys(tmp_path, refuse_key("run1", "run1-a"))
    assert keys.read_text() == own
    assert keys.stat().st_mode & 0o777 == 0o640


def test_keys_of_the_same_run_stay_and_those_of_a_killed_one_go(tmp_path, keys):
    for run, own in (("run1", "run1-a"), ("run2", "run2-a"), ("run2", "run2-b")):
        change_keys(tmp_path, accept_key(run, own, "10.0.0.2", "/models"), KEY)
    names = [line.split()[-1] for line in keys.read_text().splitlines()]
    assert names == ["llmrack-copy-run2-a", "llmrack-copy-run2-b"]
