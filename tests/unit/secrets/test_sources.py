"""Where secrets come from: the environment, the vault, `.env`."""

from __future__ import annotations

import os
import stat

import pytest

from llmrack.problems import DeclarationError
from llmrack.secrets import store
from llmrack.secrets.places import MASTER_KEY, Places
from llmrack.secrets.sources import everything, find
from llmrack.secrets.value import Secret
from tests.unit.vaults import vault_of

CANARY = "canary-4711-value"


@pytest.fixture(autouse=True)
def _no_keys_of_ours(monkeypatch):
    for name in (MASTER_KEY, *"ABCN"):
        monkeypatch.delenv(name, raising=False)


def env(tmp_path, text, mode=0o600):
    places = Places(tmp_path / ".env", tmp_path / "secrets.age")
    places.env_file.write_text(text)
    places.env_file.chmod(mode)
    return places


def test_environment_wins_over_the_vault_and_the_vault_over_the_file(
    tmp_path, identity, monkeypatch
):
    monkeypatch.setenv("A", "environment")
    places = vault_of(tmp_path, A="vault", B="vault")
    env(tmp_path, "A=file\nB=file\nC=file\n")
    secrets = find(places, ["A", "B", "C"])
    assert {name: (kept.source, kept.secret.reveal()) for name, kept in secrets.items()} == {
        "A": ("environment", "environment"),
        "B": ("secrets.age", "vault"),
        "C": (".env", "file"),
    }


def test_a_vault_that_cannot_be_opened_is_not_passed_over(tmp_path, identity):
    places = vault_of(tmp_path, A="vault")
    env(tmp_path, "A=file\n")
    identity.unlink()
    with pytest.raises(DeclarationError, match="not encrypted to any of your identities"):
        find(places, ["A"])


def test_the_vault_is_left_alone_where_the_environment_has_everything(
    tmp_path, identity, monkeypatch
):
    monkeypatch.setenv("A", "environment")
    places = vault_of(tmp_path, A="vault")
    identity.unlink()
    assert find(places, ["A"])["A"].source == "environment"


def test_quotes_and_comments_are_read_as_dotenv_does(tmp_path):
    secrets = find(env(tmp_path, "# x\nexport A='a $b'  # c\n"), ["A"])
    assert secrets["A"].secret.reveal() == "a $b"


@pytest.mark.parametrize("text", ["A=\n", "A=<your key>\n", "A=changeme\n", "B=1\n", ""])
def test_empty_and_placeholder_values_are_absent(tmp_path, text):
    assert find(env(tmp_path, text), ["A"]) == {}


def test_file_open_to_others_is_refused_with_the_way_out(tmp_path):
    with pytest.raises(DeclarationError, match=r"can be read by other users; run: chmod 600"):
        find(env(tmp_path, "A=1\n", 0o644), ["A"])


def test_value_with_a_line_break_is_refused_and_not_shown(tmp_path):
    with pytest.raises(DeclarationError) as caught:
        find(env(tmp_path, f'A="{CANARY}\nx"\n'), ["A"])
    assert "line break" in str(caught.value) and CANARY not in str(caught.value)


def test_everything_is_what_the_files_have(tmp_path, identity):
    places = vault_of(tmp_path, B="vault")
    env(tmp_path, "A=file\nB=file\nC=changeme\n")
    assert {name: kept.source for name, kept in everything(places).items()} == {
        "A": ".env",
        "B": "secrets.age",
    }


def test_master_key_is_generated_once_and_closed(tmp_path):
    places = Places(tmp_path / "new" / ".env", tmp_path / "secrets.age")
    assert store.ensure_master_key(places) == str(places.env_file)
    first = places.env_file.read_text()
    assert stat.S_IMODE(places.env_file.stat().st_mode) == 0o600
    assert store.ensure_master_key(places) is None
    assert places.env_file.read_text() == first


def test_generated_master_key_keeps_the_rest_of_the_file(tmp_path):
    places = env(tmp_path, f"A=1\n{MASTER_KEY}=\n# end\n")
    store.ensure_master_key(places)
    assert places.env_file.read_text().startswith("A=1\n# end\n")
    assert find(places, [MASTER_KEY])[MASTER_KEY].secret.reveal().startswith("sk-")


def test_master_key_goes_into_the_vault_where_there_is_one(tmp_path, identity):
    places = vault_of(tmp_path)
    assert store.ensure_master_key(places) == str(places.vault)
    assert find(places, [MASTER_KEY])[MASTER_KEY].source == "secrets.age"
    assert not places.env_file.exists()


def test_master_key_in_the_environment_is_enough(tmp_path, monkeypatch):
    monkeypatch.setenv(MASTER_KEY, "sk-mine-1234")
    places = Places(tmp_path / ".env", tmp_path / "secrets.age")
    assert store.ensure_master_key(places) is None


def sops(tmp_path, monkeypatch, script):
    """A program in sops' place, which honours its command line."""
    program = tmp_path / "bin" / "sops"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    places = Places(tmp_path / ".env", tmp_path / "secrets.sops.yaml")
    places.vault.write_text("A: ENC[...]\n")
    return places


def test_a_sops_file_is_read_by_sops(tmp_path, monkeypatch):
    asked = '[ "$1 $2 $3" = "--decrypt --output-type json" ] && [ -f "$4" ]'
    places = sops(tmp_path, monkeypatch, f'{asked} && echo \'{{"A": "b", "N": 1}}\'')
    secrets = find(places, ["A", "N"])
    assert (secrets["A"].source, secrets["A"].secret.reveal()) == ("secrets.sops.yaml", "b")
    assert secrets["N"].secret.reveal() == "1"


def test_what_sops_says_is_told(tmp_path, monkeypatch):
    places = sops(tmp_path, monkeypatch, "echo 'no key could decrypt the data key' >&2; exit 128")
    with pytest.raises(DeclarationError, match="no key could decrypt the data key"):
        find(places, ["A"])


def test_a_sops_file_with_a_tree_in_it_is_refused_without_its_values(tmp_path, monkeypatch):
    places = sops(tmp_path, monkeypatch, f'echo \'{{"A": {{"B": "{CANARY}"}}}}\'')
    with pytest.raises(DeclarationError) as caught:
        find(places, ["A"])
    assert "NAME: value" in str(caught.value) and CANARY not in str(caught.value)


def test_without_sops_the_way_out_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    places = Places(tmp_path / ".env", tmp_path / "secrets.sops.yaml")
    places.vault.write_text("A: ENC[...]\n")
    with pytest.raises(DeclarationError, match="install sops"):
        find(places, ["A"])


def test_a_sops_file_is_never_written(tmp_path, monkeypatch):
    places = sops(tmp_path, monkeypatch, "exit 1")
    with pytest.raises(DeclarationError, match="SOPS file, which llmrack only reads"):
        store.set_values(places, {"A": Secret("b")})
