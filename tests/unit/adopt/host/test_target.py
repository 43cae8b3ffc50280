"""Which host is meant by a word, and the inventory that is written for it."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from llmrack.adopt.host.proposal import propose
from llmrack.adopt.host.target import find_target
from llmrack.adopt.host.write import inventory_text, write
from llmrack.problems import DeclarationError
from llmrack.site.declared import read_inventory
from tests.unit.adopt.host.looks import host, ollama

INVENTORY = """\
gpu = [
    ("tower", {
        "ssh_hostname": "192.0.2.7", "ssh_user": "ops", "_sudo_password": "canary",
        "ssh_key_password": "canary", "ollama_port": 11500,
    }),
    "plain",
]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "inventory").write_text(INVENTORY)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_host_of_the_inventory_is_reached_as_that_says(folder: Path) -> None:
    target = find_target("tower", "inventory", folder)
    assert target.name == "tower"
    assert target.host.data.get("_sudo_password") == "canary"
    assert target.data == {"ssh_hostname": "192.0.2.7", "ssh_user": "ops"}
    assert target.left_out == ("_sudo_password", "ssh_key_password")
    assert "canary" not in inventory_text(target, {})
    assert "# inventory also sets _sudo_password, ssh_key_password for it" in inventory_text(
        target, {}
    )


@pytest.mark.parametrize(
    ("word", "name", "data"),
    [
        ("root@192.0.2.9", "192.0.2.9", {"ssh_user": "root"}),
        ("tower.example.com", "tower.example.com", {}),
        ("ops@fd00::5", "fd00::5", {"ssh_user": "ops"}),
        ("@local", "@local", {}),
    ],
)
def test_other_words_are_names_that_ssh_knows(
    folder: Path, word: str, name: str, data: dict[str, str]
) -> None:
    target = find_target(word, "inventory", folder)
    assert (target.name, target.data, target.inventory) == (name, data, "")
    assert find_target(word, "", folder).name == name


@pytest.mark.parametrize("word", ["config.yaml", "old/config.yaml", "a b", "-x", "my.env", ""])
def test_what_is_neither_file_nor_host_is_refused(folder: Path, word: str) -> None:
    with pytest.raises(DeclarationError, match="is no file, and no host of inventory, and no name"):
        find_target(word, "inventory", folder)


def test_an_inventory_that_is_missing_is_named(folder: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no inventory 'other'"):
        find_target("tower", "other", folder)


def test_what_is_written_has_no_mistakes_and_holds_the_settings(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = find_target("tower", "inventory", folder)
    seen = ollama(environment={"OLLAMA_KEEP_ALIVE": "24h", "OLLAMA_ORIGINS": "a 'b' \"c\""})
    proposal = propose("tower", host(seen))
    assert write(target, proposal, folder / "new") == ["inventory", "stack.yaml"]
    values = runpy.run_path(str(folder / "new/inventory"))
    assert values["gpu"] == values["gateway"]
    name, data = values["gpu"][0]
    assert name == "tower"
    assert data == {"ssh_hostname": "192.0.2.7", "ssh_user": "ops", **proposal.settings}
    monkeypatch.chdir(folder / "new")
    site = read_inventory("inventory", folder / "new")
    assert site.host("tower").settings.service_user == "ollama"
    assert list(site.stack.models) == ["llama3.2", "nomic-embed-text:v1.5"]


def test_a_bare_host_has_an_inventory_alone(folder: Path) -> None:
    target = find_target("plain", "inventory", folder)
    assert write(target, propose("plain", host()), folder / "new") == ["inventory"]
    values = runpy.run_path(str(folder / "new/inventory"))
    assert values["gpu"] == ["plain"] == values["gateway"]


def test_nothing_that_exists_is_changed(folder: Path) -> None:
    target = find_target("plain", "inventory", folder)
    with pytest.raises(DeclarationError, match="has inventory already"):
        write(target, propose("plain", host()), folder)
    assert (folder / "inventory").read_text() == INVENTORY
