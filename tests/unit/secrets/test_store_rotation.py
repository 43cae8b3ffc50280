"""What the vault and `.env` keep of a value that is being replaced."""

from __future__ import annotations

import hashlib

import pytest

from llmrack.secrets import store, vault
from llmrack.secrets.places import Places
from llmrack.secrets.value import Secret
from tests.unit.vaults import vault_of

CANARY = "canary-4715-value"


@pytest.fixture
def places(tmp_path, identity):
    return vault_of(tmp_path, A=CANARY, B="second-value")


def test_a_rotation_keeps_the_old_value_until_it_is_settled(places):
    store.begin_rotation(places, "A", Secret(CANARY), Secret("another-value"), None)
    entry = vault.read(places.vault).secrets["A"]
    assert (entry.value.reveal(), entry.previous, entry.accepted) == (
        "another-value",
        Secret(CANARY),
        None,
    )
    store.settle_rotation(places, "A", None)
    assert vault.read(places.vault).secrets["A"].previous is None


def test_a_rotation_that_fails_is_undone(places):
    store.begin_rotation(
        places, "A", Secret(CANARY), Secret("another-value"), "2026-11-22T12:00:00Z"
    )
    store.settle_rotation(places, "A", Secret(CANARY))
    entry = vault.read(places.vault).secrets["A"]
    assert (entry.value.reveal(), entry.previous, entry.accepted) == (CANARY, None, None)


def test_what_gateways_still_take_is_kept_as_a_hash_alone(places):
    store.begin_rotation(
        places, "A", Secret(CANARY), Secret("another-value"), "2026-11-22T12:00:00Z"
    )
    store.settle_rotation(places, "A", None)
    entry = vault.read(places.vault).secrets["A"]
    digest = hashlib.sha256(CANARY.encode()).hexdigest()
    assert (entry.previous, entry.accepted) == (None, (digest, "2026-11-22T12:00:00Z"))


def test_a_value_in_the_env_file_is_rotated_there(tmp_path):
    places = Places(tmp_path / ".env", tmp_path / "secrets.age")
    store.put(places, "A", Secret("first-value"))
    store.begin_rotation(places, "A", Secret("first-value"), Secret("another-value"), None)
    store.settle_rotation(places, "A", Secret("first-value"))
    assert places.env_file.read_text() == "A=first-value\n"


def test_a_value_of_the_env_file_is_rotated_into_the_vault(places):
    store.begin_rotation(places, "OTHER", Secret("first-value"), Secret("another-value"), None)
    store.settle_rotation(places, "OTHER", None)
    assert vault.read(places.vault).secrets["OTHER"].value.reveal() == "another-value"
