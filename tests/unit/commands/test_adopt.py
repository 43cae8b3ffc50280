"""`llmrack adopt` as it is typed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from llmrack.secrets import vault
from llmrack.secrets.identities import VARIABLE
from tests import ROOT

CONFIG = """\
model_list:
  - model_name: gpt-4o
    litellm_params:
      model: openai/gpt-4o
      api_key: os.environ/OPENAI_API_KEY
      rpm: 60
  - model_name: coder
    litellm_params:
      model: openai/coder
      api_base: http://192.0.2.8:8080/v1
      api_key: canary-of-coder
litellm_settings:
  fallbacks: [{coder: [gpt-4o]}]
  num_retries: 3
general_settings:
  master_key: os.environ/LITELLM_MASTER_KEY
"""
ENV = "OPENAI_API_KEY=canary-of-openai\nLITELLM_MASTER_KEY=sk-canary-of-master\nPOSTGRES_DB=x\n"


@pytest.fixture
def old(tmp_path):
    folder = tmp_path / "old"
    folder.mkdir()
    (folder / "config.yaml").write_text(CONFIG)
    (folder / ".env").write_text(ENV)
    (folder / ".env").chmod(0o600)
    return tmp_path


def llmrack(folder, *args):
    hidden = (VARIABLE, "OPENAI_API_KEY", "LITELLM_MASTER_KEY")
    return subprocess.run(
        [sys.executable, "-m", "llmrack", *args],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={k: v for k, v in os.environ.items() if k not in hidden}
        | {
            "OPENAI_BASE_URL": "http://198.51.100.9",
            "HOME": str(folder / "home"),
            "PYTHONPATH": str(ROOT),
        },
    )


def test_each_line_is_told_what_became_of_it(old):
    done = llmrack(old, "adopt", "old/config.yaml", "-o", "new")
    assert (done.returncode, done.stderr) == (0, "")
    for line in (
        "read old/.env, too",
        "old/config.yaml:2: model_list.0.model_name: models.gpt-4o",
        "old/config.yaml:5: model_list.0.litellm_params.api_key: the secret OPENAI_API_KEY",
        "old/config.yaml:6: model_list.0.litellm_params.rpm: rpm 60",
        "old/config.yaml:10: model_list.1.litellm_params.api_base: url http://192.0.2.8:8080/v1",
        "old/config.yaml:11: model_list.1.litellm_params.api_key: the secret OPENAI_API_KEY_2",
        "old/config.yaml:13: litellm_settings.fallbacks.0.coder: chains.coder: gpt-4o",
        "old/config.yaml:16: general_settings.master_key: the secret LITELLM_MASTER_KEY",
        "old/.env: left out: nothing that was taken over uses POSTGRES_DB",
        "new: 2 names of 2 providers, no mistakes",
    ):
        assert line in done.stdout.splitlines(), done.stdout
    assert "14: litellm_settings.num_retries: left out: would change who answers" in done.stdout


def test_keys_in_a_database_are_not_taken_over(old):
    with (old / "old/config.yaml").open("a") as config:
        config.write("  database_url: postgresql://litellm:canary-of-database@db/litellm\n")
    done = llmrack(old, "adopt", "old/config.yaml", "-o", "new")
    assert done.returncode == 1
    line = "17: general_settings.database_url: not taken over: the gateway has no database"
    assert line in done.stdout and "canary" not in done.stdout


def test_no_value_of_a_secret_is_printed_or_written_in_clear(old):
    done = llmrack(old, "adopt", "old/config.yaml", "-o", "new")
    written = b"".join(path.read_bytes() for path in (old / "new").iterdir())
    assert "canary" not in done.stdout + done.stderr
    assert b"canary" not in written
    assert sorted(path.name for path in (old / "new").iterdir()) == [
        *("inventory", "secrets.age", "secrets.audit.jsonl", "stack.yaml"),
    ]


def test_values_are_in_the_vault(old, monkeypatch):
    llmrack(old, "adopt", "old/config.yaml", "-o", "new")
    monkeypatch.setenv(VARIABLE, str(old / "home/.config/llmrack/identity.txt"))
    secrets = vault.read(old / "new/secrets.age").secrets
    assert {name: entry.value.reveal() for name, entry in secrets.items()} == {
        "OPENAI_API_KEY": "canary-of-openai",
        "OPENAI_API_KEY_2": "canary-of-coder",
        "LITELLM_MASTER_KEY": "sk-canary-of-master",
    }


@pytest.mark.parametrize("name", ["stack.yaml", "inventory", "secrets.age"])
def test_nothing_that_exists_is_changed(old, name):
    (old / name).write_text("mine\n")
    done = llmrack(old, "adopt", "old/config.yaml")
    assert done.returncode == 2
    assert f"has {name} already, and nothing that exists is changed; name another" in done.stderr
    assert (old / name).read_text() == "mine\n"
    assert {path.name for path in old.iterdir()} == {"old", name}


def test_it_writes_into_this_folder_if_there_is_room(old):
    assert llmrack(old / "old", "adopt", "config.yaml").returncode == 0
    assert (old / "old/stack.yaml").exists()
    assert (old / "old/.env").read_text() == ENV


def test_names_that_are_lost_are_told_and_the_others_are_served(old):
    config = CONFIG.replace("model_name: coder", "model_name: my coder").replace("coder: [", "x: [")
    (old / "old/config.yaml").write_text(config)
    done = llmrack(old, "adopt", "old/config.yaml", "-o", "new")
    assert done.returncode == 1
    assert "7: model_list.1.model_name: not taken over: is no name that llmrack can" in done.stdout
    assert "13: litellm_settings.fallbacks.0.x: not taken over: nobody can ask for x" in done.stdout
    assert "new: 1 name of 1 provider, no mistakes" in done.stdout


def test_a_secret_without_a_value_is_told_by_the_check(old):
    (old / "old/.env").unlink()
    done = llmrack(old, "adopt", "old/config.yaml", "-o", "new")
    assert done.returncode == 1
    assert "the secret OPENAI_API_KEY is not set; run llmrack secrets set" in done.stdout
    assert "new: 1 mistake is left" in done.stdout


def test_a_secret_of_several_lines_is_told_by_the_check(old):
    (old / "old/.env").write_text(ENV.replace("canary-of-openai", '"canary-of\nopenai"'))
    done = llmrack(old, "adopt", "old/config.yaml", "-o", "new")
    assert done.returncode == 1
    assert "the secret OPENAI_API_KEY is not set" in done.stdout
    assert "canary" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("model_list: [\n", "is not YAML"),
        ("providers: {}\n", "has no model_list; name the config.yaml of a LiteLLM proxy"),
        ("", "has no model_list"),
        ("model_list: []\n", "has no model that llmrack can serve; nothing was written"),
        (
            "model_list: [{model_name: '*', litellm_params: {model: '*'}}]\n",
            "has no model that llmrack can serve; nothing was written",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_one_error(old, text, cause):
    (old / "old/config.yaml").write_text(text)
    done = llmrack(old, "adopt", "old/config.yaml", "-o", "new")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1 and cause in done.stderr
    assert not (old / "new").exists()


def test_an_env_file_that_others_can_read_is_told_in_its_own_folder(old):
    """There, llmrack takes the file for one of its own."""
    (old / "old/.env").chmod(0o644)
    done = llmrack(old / "old", "adopt", "config.yaml")
    assert done.returncode == 1 and ".env: can be read by other users" in done.stdout
    assert llmrack(old, "adopt", "old/config.yaml", "-o", "new").returncode == 0


def test_an_env_file_of_another_name(old):
    (old / "old/.env").rename(old / "old/keys")
    done = llmrack(old, "adopt", "old/config.yaml", "-o", "new", "--env", "old/keys")
    assert done.returncode == 0
    assert "read old/keys, too" in done.stdout
