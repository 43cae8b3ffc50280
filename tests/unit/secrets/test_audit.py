"""The audit file: every operation, no value, and a chain that shows what was done to it."""

from __future__ import annotations

import json

import pytest

from llmrack.problems import DeclarationError
from llmrack.secrets import audit, store, vault
from llmrack.secrets.value import Secret
from tests.unit.vaults import vault_of

CANARY = "canary-4713-value"


@pytest.fixture
def places(tmp_path, identity):
    path = vault_of(tmp_path, A=CANARY)
    store.unset(path, "A")
    store.set_values(path, {"B": Secret(CANARY)})
    return path


def noted(places):
    return audit.Mark(*vault.read(places.vault).audit)


def rewrite(places, change):
    lines = places.audit.read_text().splitlines()
    change(lines)
    places.audit.write_text("".join(f"{line}\n" for line in lines))


def test_it_says_who_did_what_when_and_how_that_went(places):
    entries = [json.loads(line) for line in places.audit.read_text().splitlines()]
    assert [(e["action"], e["names"], e["result"]) for e in entries] == [
        ("init", [], "ok"),
        ("set", ["A"], "ok"),
        ("unset", ["A"], "ok"),
        ("set", ["B"], "ok"),
    ]
    assert all("@" in e["who"] and e["time"].endswith("Z") for e in entries)


def test_no_value_is_written_down(places):
    with pytest.raises(DeclarationError):
        store.set_values(places, {"A": Secret(f"{CANARY}\n")})
    assert CANARY not in places.audit.read_text()


def test_what_failed_is_noted_too(places):
    with pytest.raises(DeclarationError):
        store.unset(places, "NOTHING")
    last = json.loads(places.audit.read_text().splitlines()[-1])
    assert (last["action"], last["result"]) == ("unset", "failed: is not in it")


def test_a_whole_chain_is_whole(places):
    assert audit.check(places.audit, noted(places)) == audit.Verdict(4)


def test_no_file_is_no_mistake(tmp_path):
    assert audit.check(tmp_path / "nothing") == audit.Verdict(0)


def test_an_edited_line_is_found(places):
    rewrite(places, lambda lines: lines.__setitem__(1, lines[1].replace('"A"', '"C"')))
    assert (
        audit.check(places.audit).problem == "line 3 does not follow: line 2 was edited or removed"
    )


def test_a_removed_line_is_found(places):
    rewrite(places, lambda lines: lines.pop(1))
    assert "line 2 does not follow" in str(audit.check(places.audit).problem)


def test_a_beginning_that_was_cut_off_is_found(places):
    rewrite(places, lambda lines: lines.pop(0))
    assert audit.check(places.audit).problem == "line 1 does not follow: it was cut off"


def test_a_damaged_line_is_found(places):
    rewrite(places, lambda lines: lines.__setitem__(2, lines[2][:-20]))
    assert audit.check(places.audit).problem == "line 3 is no entry: it was damaged or edited"


def test_an_end_that_was_cut_off_is_found_by_the_vault(places):
    store.set_values(places, {"C": Secret("value-c")})
    mark = noted(places)
    rewrite(places, lambda lines: lines.__delitem__(slice(2, None)))
    assert audit.check(places.audit).problem is None
    assert "the vault has noted 4 lines, and there are 2: its end is cut" in str(
        audit.check(places.audit, mark).problem
    )


def test_a_chain_made_anew_is_found_by_the_vault(places):
    mark = noted(places)
    rewrite(places, lambda lines: lines.clear())
    for _ in range(4):
        audit.note(places, "set", ["X"])
    assert "is not the one that the vault has noted" in str(audit.check(places.audit, mark).problem)
