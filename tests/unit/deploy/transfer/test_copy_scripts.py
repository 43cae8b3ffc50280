"""The scripts of a copy that can be tried without two hosts."""

from __future__ import annotations

import base64
import hashlib
import shlex
import subprocess

import pytest

from llmrack.deploy.transfer.copy_scripts import accept_key, fetch, refuse_key, send

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


# What sshd makes of it: the command that is asked for is handed to the one program of the key.
SSH = """#!/bin/sh
for last; do :; done
[ ! -e {folder}/broken ] || { rm {folder}/broken; echo refused >&2; exit 255; }
SSH_ORIGINAL_COMMAND=$last exec sh -c '{send}'
"""
MANIFEST = "registry.ollama.ai/library/llama3.2/1b"


@pytest.fixture
def target(tmp_path, models):
    """A folder with nothing in it, and an ssh that leads to ``models``."""
    (tmp_path / "llmrack-copy").mkdir()
    (tmp_path / "bin").mkdir()
    text = SSH.replace("{folder}", str(tmp_path)).replace("{send}", send(str(models)))
    (tmp_path / "bin" / "ssh").write_text(text)
    (tmp_path / "bin" / "ssh").chmod(0o755)
    made = tmp_path / "target"
    made.mkdir()
    return made


def fetched(target, digest=DIGEST, manifest=MANIFEST, without="", stall=60):
    content = base64.b64encode(b"{}").decode() if manifest else ""
    folder = target.parent
    script = fetch("llm@source", 22, str(target), manifest, stall)
    assert without in script
    return subprocess.run(
        ["sh", "-c", script.replace(without, ":") if without else script],
        env={"PATH": f"{folder}/bin:/usr/bin:/bin", "XDG_RUNTIME_DIR": str(folder)},
        input=f"known host\n{content}\n{digest} {len(CONTENT)}\n",
        capture_output=True,
        text=True,
    )


def files(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("come", [b"", CONTENT[:4]])
def test_blobs_come_before_their_manifest_and_nothing_else_stays(target, come):
    (target / ".llmrack").mkdir()
    (target / ".llmrack" / f"sha256-{DIGEST}.part").write_bytes(come)
    done = fetched(target)
    assert done.returncode == 0, done.stderr
    assert files(target) == {
        f"blobs/sha256-{DIGEST}": CONTENT,
        f"manifests/{MANIFEST}": b"{}",
    }
    assert not (target.parent / "llmrack-copy").exists() and not (target / ".llmrack").exists()


def test_a_blob_alone_has_no_manifest(target):
    assert fetched(target, manifest="").returncode == 0
    assert list(files(target)) == [f"blobs/sha256-{DIGEST}"]


def test_a_blob_that_is_not_what_it_is_called_is_no_fault_of_the_way(target, models):
    (models / "blobs" / f"sha256-{DIGEST}").write_bytes(b"x" * len(CONTENT))
    done = fetched(target)
    assert done.returncode == 1 and "about content" in done.stdout.splitlines()
    assert done.stderr.splitlines()[-1] == f"its blob {DIGEST} is damaged there"
    assert files(target) == {}


def test_who_watches_a_copy_ends_with_it_though_the_signal_is_lost(target, models):
    (models / "blobs" / f"sha256-{DIGEST}").write_bytes(b"x" * len(CONTENT))
    done = fetched(target, without="kill $watcher", stall=3)
    assert done.stderr.splitlines() == [f"its blob {DIGEST} is damaged there"]


def test_a_way_that_breaks_is_no_fault_of_the_blob(target):
    (target.parent / "broken").touch()
    done = fetched(target)
    assert done.returncode == 1 and "about content" not in done.stdout
    assert done.stderr.splitlines()[-1] == "refused"
