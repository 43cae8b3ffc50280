"""Secrets: where they come from, and that they show themselves to nobody."""

from __future__ import annotations

import json
import pickle

import pytest

from llmrack.problems import DeclarationError
from llmrack.secrets.dotenv import MASTER_KEY, ensure_master_key, load_secrets
from llmrack.secrets.value import Secret, redact

CANARY = "canary-4711-value"


@pytest.mark.parametrize("form", [str, repr, lambda s: f"{s}", lambda s: f"{s:>20}"])
def test_no_form_of_printing_shows_the_value(form):
    assert CANARY not in form(Secret(CANARY))


def test_a_secret_in_a_container_is_masked():
    assert CANARY not in repr({"key": [Secret(CANARY)]})


@pytest.mark.parametrize("dump", [pickle.dumps, json.dumps])
def test_a_secret_is_not_serialised(dump):
    with pytest.raises(TypeError):
        dump(Secret(CANARY))


def test_redact_names_the_secret_instead():
    assert redact(f"401 for {CANARY}", {"A_KEY": Secret(CANARY)}) == "401 for <A_KEY>"


def env(tmp_path, text, mode=0o600):
    path = tmp_path / ".env"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_environment_wins_over_the_file(tmp_path):
    found = load_secrets(env(tmp_path, "A=file\n"), ["A"], {"A": "environment"})
    assert found["A"].reveal() == "environment"


def test_quotes_and_comments_are_read_as_dotenv_does(tmp_path):
    found = load_secrets(env(tmp_path, "# x\nexport A='a $b'  # c\n"), ["A"], {})
    assert found["A"].reveal() == "a $b"


@pytest.mark.parametrize("text", ["A=\n", "A=<your key>\n", "A=changeme\n", "B=1\n", ""])
def test_empty_and_placeholder_values_are_absent(tmp_path, text):
    assert load_secrets(env(tmp_path, text), ["A"], {}) == {}


def test_file_open_to_others_is_refused_with_the_way_out(tmp_path):
    with pytest.raises(DeclarationError, match=r"can be read by other users; run: chmod 600"):
        load_secrets(env(tmp_path, "A=1\n", 0o644), ["A"], {})


def test_value_with_a_line_break_is_refused_and_not_shown(tmp_path):
    with pytest.raises(DeclarationError) as caught:
        load_secrets(env(tmp_path, f'A="{CANARY}\nx"\n'), ["A"], {})
    assert "line break" in str(caught.value) and CANARY not in str(caught.value)


def test_master_key_is_generated_once_and_closed(tmp_path):
    path = tmp_path / "new" / ".env"
    assert ensure_master_key(path, {})
    first = path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert not ensure_master_key(path, {})
    assert path.read_text() == first


def test_generated_master_key_keeps_the_rest_of_the_file(tmp_path):
    path = env(tmp_path, f"A=1\n{MASTER_KEY}=\n# end\n")
    ensure_master_key(path, {})
    assert path.read_text().startswith("A=1\n# end\n")
    assert load_secrets(path, [MASTER_KEY], {})[MASTER_KEY].reveal().startswith("sk-")


def test_master_key_in_the_environment_is_enough(tmp_path):
    assert not ensure_master_key(tmp_path / ".env", {MASTER_KEY: "sk-mine-1234"})
