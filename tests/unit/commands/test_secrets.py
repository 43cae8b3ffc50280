"""`llmrack secrets …` as it is typed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from llmrack.secrets import vault
from llmrack.secrets.identities import VARIABLE
from tests import ROOT

CANARY = "canary-4714-value"
INVENTORY = 'gpu = [("box1", {"ssh_hostname": "10.0.0.1"})]\ngateway = ["box1"]\n'


@pytest.fixture
def project(tmp_path, identity):
    (tmp_path / "inventory").write_text(INVENTORY)
    (tmp_path / "stack.yaml").write_text(
        "providers: {local: {kind: ollama, group: gpu}, cloud: {kind: ollama-cloud}}\n"
        "models: {llama3.2: {provider: local}, gpt-oss: {provider: cloud}}\n"
    )
    return tmp_path


def llmrack(project, *args, given="", **more):
    return subprocess.run(
        [sys.executable, "-m", "llmrack", "secrets", *args],
        cwd=project,
        input=given,
        capture_output=True,
        text=True,
        check=False,
        env={k: v for k, v in os.environ.items() if k != VARIABLE}
        | {"HOME": str(project / "home"), "PYTHONPATH": str(ROOT)}
        | more,
    )


@pytest.fixture
def kept(project):
    assert llmrack(project, "init").returncode == 0
    done = llmrack(project, "set", "OLLAMA_API_KEY", given=f"{CANARY}\n")
    assert done.stdout == "OLLAMA_API_KEY is in secrets.age, and decrypts to what was given\n"
    return project


def test_a_value_from_standard_input_is_stored(kept):
    secrets = vault.read(kept / "secrets.age").secrets
    assert secrets["OLLAMA_API_KEY"].value.reveal() == CANARY


def test_a_value_is_taken_from_no_argument(kept):
    done = llmrack(kept, "set", "OLLAMA_API_KEY", "other")
    assert (done.returncode, "unexpected extra argument" in done.stderr) == (2, True)


def test_without_an_identity_one_is_made(project):
    (project / "home/.config/llmrack/identity.txt").unlink()
    done = llmrack(project, "init")
    assert "made an identity in" in done.stdout and "keep a copy" in done.stdout
    assert (project / "home/.config/llmrack/identity.txt").stat().st_mode & 0o777 == 0o600


def test_values_of_an_env_file_are_imported_and_the_file_stays(kept):
    (kept / ".env").write_text("VLLM_API_KEY=the-vllm-value\nOPENAI_API_KEY=...\n")
    (kept / ".env").chmod(0o600)
    done = llmrack(kept, "import", ".env")
    assert done.stdout.startswith("in secrets.age now: VLLM_API_KEY\n")
    assert (kept / ".env").exists()


def test_values_are_exported_to_programs(kept):
    assert llmrack(kept, "export", "OLLAMA_API_KEY").stdout == f"OLLAMA_API_KEY={CANARY}\n"


def test_values_are_not_exported_to_an_open_file(kept):
    target = kept / "out"
    target.touch(0o644)
    with target.open("w") as opened:
        done = subprocess.run(
            [sys.executable, "-m", "llmrack", "secrets", "export"],
            cwd=kept,
            stdout=opened,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env={**os.environ, "HOME": str(kept / "home"), "PYTHONPATH": str(ROOT)},
        )
    assert (done.returncode, "umask 077" in done.stderr) == (1, True)
    assert target.read_text() == ""


def editor(project, script):
    """An editor, told by a shell script that has the file as $1."""
    path = project / "editor"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_edited_values_are_stored(kept):
    script = f'grep -q "{CANARY}" "$1" && echo "NEW_KEY: the-new-value" >> "$1"'
    done = llmrack(kept, "edit", EDITOR=editor(kept, script), VISUAL="")
    assert done.stdout == "changed: NEW_KEY\n", done.stderr
    assert vault.read(kept / "secrets.age").secrets["NEW_KEY"].value.reveal() == "the-new-value"


def test_the_edited_file_is_in_memory_closed_and_gone_afterwards(kept):
    script = 'stat -f -c %T "$1" > seen; stat -c %a "$1" >> seen; echo "$1" >> seen'
    assert llmrack(kept, "edit", EDITOR=editor(kept, script), VISUAL="").returncode == 0
    kind, mode, path = (kept / "seen").read_text().split()
    assert (kind, mode, Path(path).exists()) == ("tmpfs", "600", False)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ('echo "not: [yaml" > "$1"', "is not NAME: value"),
        ('echo "A: changeme" > "$1"', "a placeholder"),
        ("exit 1", "the editor ended with 1"),
    ],
)
def test_a_mistake_in_the_editor_changes_nothing(kept, script, message):
    before = (kept / "secrets.age").read_bytes()
    done = llmrack(kept, "edit", EDITOR=editor(kept, script), VISUAL="")
    assert (done.returncode, message in done.stderr) == (1, True)
    assert (kept / "secrets.age").read_bytes() == before
    assert CANARY not in done.stdout + done.stderr


def test_what_somebody_else_changed_meanwhile_is_not_overwritten(kept):
    program = f"{sys.executable} -m llmrack secrets set OLLAMA_API_KEY"
    script = f'echo other-value | {program} >/dev/null; sed -i s/{CANARY}/mine-value/ "$1"'
    done = llmrack(kept, "edit", EDITOR=editor(kept, script), VISUAL="")
    assert "changed by somebody else meanwhile" in done.stderr
    secrets = vault.read(kept / "secrets.age").secrets
    assert secrets["OLLAMA_API_KEY"].value.reveal() == "other-value"


def test_the_audit_file_is_printed_and_checked(kept):
    assert "set OLLAMA_API_KEY: ok" in llmrack(kept, "audit").stdout
    done = llmrack(kept, "audit", "--verify")
    assert "2 entries, a whole chain" in done.stdout
    text = (kept / "secrets.audit.jsonl").read_text()
    (kept / "secrets.audit.jsonl").write_text(text.replace('"init"', '"bend"'))
    done = llmrack(kept, "audit", "--verify")
    assert (done.returncode, "line 1 is not the one that the vault" in done.stderr) == (1, True)


def test_no_command_shows_a_value(kept):
    commands = [["recipients", "list"], ["audit"], ["audit", "--json"], ["unset", "NOTHING"]]
    for command in commands:
        done = llmrack(kept, *command)
        assert CANARY not in done.stdout + done.stderr
