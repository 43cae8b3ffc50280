"""The command line of usage, logs and tail: times that are given, and what cannot be asked."""

from __future__ import annotations

from datetime import timedelta

import click
import pytest
from click.testing import CliRunner

from llmrack.cli import main
from llmrack.commands.logged import Last

COMMANDS = ("usage", "logs", "tail")


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("15m", 900), ("1h", 3600), ("24h", 86400), ("30d", 2592000)]
)
def test_a_time_has_a_unit(text, seconds):
    assert Last().convert(text, None, None) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "5", "h", "1w", "-1h", "0s", "1.5h", "1 h", "99999999d"])
def test_a_wrong_time_is_a_sentence(text):
    with pytest.raises(click.BadParameter) as error:
        Last().convert(text, None, None)
    assert str(error.value) == f"{text!r} is no time; write it like 90s, 15m, 24h or 30d"


@pytest.mark.parametrize("command", COMMANDS)
def test_a_missing_inventory_is_a_sentence(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, [command])
    assert result.exit_code == 2
    assert result.output == "Error: there is no inventory 'inventory': name it with --inventory\n"
