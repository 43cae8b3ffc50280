"""The vault: what is stored decrypts to what was given, and no mistake harms the file."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys

import pyrage
import pytest

from llmrack.problems import DeclarationError
from llmrack.secrets import identities, recipients, store, vault
from llmrack.secrets.value import Secret
from tests import DEADLINE
from tests.unit.vaults import vault_of

CANARY = "canary-4712-value"


def ssh_key(folder, kind="ed25519", passphrase="", name="key"):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    subprocess.run(
        ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "tom@desk", "-f", path], check=True
    )
    return path


def opened_by(path, monkeypatch):
    """From now on somebody else, with that identity, runs it."""
    monkeypatch.setenv(identities.VARIABLE, str(path))
    monkeypatch.setattr(identities, "_unlocked", {})


@pytest.fixture
def places(tmp_path, identity):
    return vault_of(tmp_path, A=CANARY, B="second-value")


def test_what_was_stored_is_read_back(places):
    entry = vault.read(places.vault).secrets["A"]
    assert entry.value.reveal() == CANARY
    assert entry.changed.endswith("Z") and "@" in entry.by


def test_the_file_shows_no_value_and_no_name(places):
    text = places.vault.read_text()
    assert text.startswith("-----BEGIN AGE ENCRYPTED FILE-----")
    assert CANARY not in text and '"A"' not in text


def test_age_itself_opens_it(places, identity):
    key = pyrage.x25519.Identity.from_str(identity.read_text().splitlines()[1])
    assert CANARY in pyrage.decrypt(places.vault.read_bytes(), [key]).decode()


def test_a_value_is_replaced_and_others_stay(places):
    store.set_values(places, {"A": Secret("another-value")})
    content = vault.read(places.vault).secrets
    assert {name: entry.value.reveal() for name, entry in content.items()} == {
        "A": "another-value",
        "B": "second-value",
    }


def test_a_secret_is_removed(places):
    store.unset(places, "A")
    assert list(vault.read(places.vault).secrets) == ["B"]


def test_an_unknown_name_is_told_with_the_nearest(places):
    store.set_values(places, {"OLLAMA_API_KEY": Secret("x-value")})
    with pytest.raises(DeclarationError, match="did you mean 'OLLAMA_API_KEY'"):
        store.unset(places, "OLAMA_API_KEY")


@pytest.mark.parametrize("value", ["", "changeme", "<your key>", "a\nb", "a\x00b", "a\x1bb"])
def test_what_cannot_be_a_key_is_refused_and_the_file_is_intact(places, value):
    before = places.vault.read_bytes()
    with pytest.raises(DeclarationError, match="give the key"):
        store.set_values(places, {"A": Secret(value)})
    assert places.vault.read_bytes() == before


def test_a_vault_is_not_made_twice(places):
    before = places.vault.read_bytes()
    with pytest.raises(DeclarationError, match="is there already"):
        store.init(places, {identities.public_keys()[0]: "me"})
    assert places.vault.read_bytes() == before


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data[: len(data) // 2],
        lambda data: data[:-40],
        lambda data: data[:-80] + (b"AAAA" if data[-80:-76] != b"AAAA" else b"BBBB") + data[-76:],
        lambda data: data.replace(b"YWdl", b"YWdk", 1),
        lambda data: b"",
        lambda data: b"OLLAMA_API_KEY=in-clear\n",
    ],
    ids=["half", "end cut", "edited", "header edited", "empty", "other"],
)
def test_a_damaged_vault_is_told_and_left_alone(places, spoil):
    places.vault.write_bytes(spoil(places.vault.read_bytes()))
    before = places.vault.read_bytes()
    with pytest.raises(DeclarationError, match="is truncated or has been edited"):
        store.set_values(places, {"A": Secret("another-value")})
    assert places.vault.read_bytes() == before


def test_an_age_file_of_somebody_else_is_told_without_what_is_in_it(places, identity):
    key = identities.recipient(identities.public_keys()[0])
    places.vault.write_bytes(pyrage.encrypt(f"KEY={CANARY}".encode(), [key], armored=True))
    with pytest.raises(DeclarationError) as caught:
        vault.read(places.vault)
    assert "not one of llmrack's" in str(caught.value) and CANARY not in str(caught.value)


def test_without_its_identity_it_is_told_whom_to_ask(places, identity, tmp_path, monkeypatch):
    opened_by(ssh_key(tmp_path), monkeypatch)
    public = (tmp_path / "key.pub").read_text().split()[1]
    with pytest.raises(DeclarationError) as caught:
        vault.read(places.vault)
    assert f"secrets recipients add 'ssh-ed25519 {public}'" in str(caught.value)


def test_an_identity_that_is_named_and_not_there_is_told(places, tmp_path, monkeypatch):
    opened_by(tmp_path / "nothing", monkeypatch)
    with pytest.raises(DeclarationError, match="is not there; correct LLMRACK_IDENTITY"):
        vault.read(places.vault)


def test_an_identity_open_to_others_is_refused(places, identity):
    identity.chmod(0o644)
    identities._unlocked.clear()
    with pytest.raises(DeclarationError, match=f"run: chmod 600 {identity}"):
        vault.read(places.vault)


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_an_ssh_key_opens_it_once_it_is_a_recipient(places, tmp_path, monkeypatch, kind):
    path = ssh_key(tmp_path, kind)
    recipients.add(places, f"{path}.pub")
    opened_by(path, monkeypatch)
    assert vault.read(places.vault).secrets["A"].value.reveal() == CANARY
    assert "tom@desk" in vault.read(places.vault).recipients.values()


def test_an_ssh_key_that_age_cannot_use_is_refused(places, tmp_path):
    path = ssh_key(tmp_path, "ecdsa")
    with pytest.raises(DeclarationError, match="SSH public key of type ed25519 or rsa"):
        recipients.add(places, f"{path}.pub")


def locked(places, tmp_path, monkeypatch, answers):
    """A key with a passphrase in place of the identity, and somebody who types these answers."""
    path = ssh_key(tmp_path, passphrase="open sesame")
    recipients.add(places, f"{path}.pub")
    opened_by(path, monkeypatch)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("getpass.getpass", lambda prompt: answers.pop(0))


def test_a_passphrase_is_asked_for_once(places, tmp_path, monkeypatch):
    locked(places, tmp_path, monkeypatch, ["open sesame"])
    store.set_values(places, {"A": Secret("another-value")})
    assert vault.read(places.vault).secrets["A"].value.reveal() == "another-value"


def test_a_wrong_passphrase_is_told(places, tmp_path, monkeypatch):
    locked(places, tmp_path, monkeypatch, ["open barley"])
    with pytest.raises(DeclarationError, match="does not open with this passphrase; try again"):
        vault.read(places.vault)


def test_an_age_identity_with_a_passphrase_opens_it(places, identity, tmp_path, monkeypatch):
    sealed = tmp_path / "sealed.age"
    sealed.write_bytes(pyrage.passphrase.encrypt(identity.read_bytes(), "open sesame"))
    sealed.chmod(0o600)
    opened_by(sealed, monkeypatch)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("getpass.getpass", lambda prompt: "open sesame")
    assert vault.read(places.vault).secrets["A"].value.reveal() == CANARY


def test_a_passphrase_that_nobody_can_be_asked_for_is_told(places, tmp_path, monkeypatch):
    path = ssh_key(tmp_path, passphrase="open sesame")
    recipients.add(places, f"{path}.pub")
    opened_by(path, monkeypatch)
    with pytest.raises(DeclarationError, match="nobody can be asked"):
        vault.read(places.vault)


def test_no_passphrase_is_asked_for_a_key_that_is_no_recipient(places, tmp_path, monkeypatch):
    opened_by(ssh_key(tmp_path, passphrase="open sesame"), monkeypatch)
    with pytest.raises(DeclarationError, match="not encrypted to any of your identities"):
        vault.read(places.vault)


def test_a_recipient_that_was_removed_cannot_open_it(places, tmp_path, monkeypatch):
    path = ssh_key(tmp_path)
    recipients.add(places, f"{path}.pub")
    recipients.remove(places, "tom@desk")
    opened_by(path, monkeypatch)
    with pytest.raises(DeclarationError, match="not encrypted to any of your identities"):
        vault.read(places.vault)


def test_nobody_locks_himself_out(places, tmp_path, identity):
    before = places.vault.read_bytes()
    with pytest.raises(DeclarationError, match="keep yourself among its recipients"):
        mine = identities.public_keys()[0]
        recipients.add(places, f"{ssh_key(tmp_path)}.pub")
        before = places.vault.read_bytes()
        recipients.remove(places, mine)
    assert places.vault.read_bytes() == before


def test_the_last_recipient_stays(places):
    with pytest.raises(DeclarationError, match="keep one recipient at least"):
        recipients.remove(places, "me")


def test_changes_at_the_same_time_are_all_kept(places):
    program = (
        "import sys; from pathlib import Path; from llmrack.secrets import store; "
        "from llmrack.secrets.places import Places; from llmrack.secrets.value import Secret; "
        "places = Places(Path('.env'), Path(sys.argv[1])); "
        "store.set_values(places, {sys.argv[2]: Secret('a-value')})"
    )
    names = {f"NAME_{number}" for number in range(6)}
    running = [subprocess.Popen([sys.executable, "-c", program, places.vault, n]) for n in names]
    assert [entry.wait(timeout=DEADLINE) for entry in running] == [0] * 6
    assert names <= vault.read(places.vault).secrets.keys()
    assert [path.name for path in places.vault.parent.glob(".secrets*")] == []


def test_who_waits_for_another_for_long_is_told(places, monkeypatch):
    monkeypatch.setattr("llmrack.secrets.locking.DEADLINE", 0.1)
    folder = os.open(places.vault.parent, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    with pytest.raises(DeclarationError, match="is being changed by another llmrack"):
        store.unset(places, "A")
    os.close(folder)
    store.unset(places, "A")


def test_a_change_that_fails_leaves_the_file_and_nothing_beside(places, monkeypatch):
    before = places.vault.read_bytes()

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("llmrack.files.os.fsync", full)
    with pytest.raises(OSError, match="No space left"), vault.changed(places.vault):
        pass
    assert places.vault.read_bytes() == before
    assert [path.name for path in places.vault.parent.glob(".secrets*")] == []
