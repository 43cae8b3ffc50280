"""Clients' keys: their declaration, the file with their hashes, what gateways get of both."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from datetime import date

import pytest
import yaml

from llmrack.components.plan import by_component
from llmrack.observe.keys import KeyRow, Keys, as_json, table
from llmrack.problems import DeclarationError
from llmrack.resources.releases import Release
from llmrack.site.client_keys import ExtraKey, client_keys
from llmrack.site.issued_keys import issue, read_issued, revoke
from llmrack.stack.checks.checks import check, warnings
from llmrack.stack.keys import IssuedKey
from llmrack.stack.load import load_stack
from tests import ROOT
from tests.unit.declare import STACK, declaration, host, site, stack

ISSUED = {"alice": IssuedKey(sha256="a" * 64, issued="2026-11-21T12:00:00Z")}
INVENTORY = 'gpu = [("box1", {"ssh_hostname": "10.0.0.1"})]\ngateway = ["box1"]\n'


def found(**keys):
    return [str(problem) for problem in check(declaration(stack(keys=keys)))]


def wrong(tmp_path, text):
    (tmp_path / "stack.yaml").write_text(yaml.safe_dump(STACK) + text)
    with pytest.raises(DeclarationError) as error:
        load_stack(tmp_path / "stack.yaml", "stack.yaml")
    return str(error.value)


@pytest.mark.parametrize("models", [["embed"], ["eco"], ["mini"], ["any/*"], ["any/x"], ["llama*"]])
def test_a_key_may_be_for_every_public_name(models):
    whole = stack(
        models=STACK["models"] | {"any/*": {"provider": "vllm"}},
        tiers={"eco": ["llama3.1:latest", "coder"]},
        aliases={"mini": "coder"},
        keys={"alice": {"models": models}},
    )
    assert check(declaration(whole)) == []


def test_a_name_that_nobody_can_ask_for_is_found_with_the_nearest():
    (problem,) = found(alice={"models": ["codr"]})
    assert "keys.alice.models: nobody can ask for 'codr'; did you mean 'coder'?" in problem


def test_no_key_is_called_master():
    assert "choose another name" in found(master={})[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("keys: {alice: {model: coder}}", "is no known key; did you mean 'models'?"),
        ("keys: {alice: {rpm: 0}}", "keys.alice.rpm: input should be greater than or equal to 1"),
        ("keys: {alice: {expires: soon}}", "keys.alice.expires: input should be a valid date"),
        ("keys: {alice: {expires: 2026-02-30}}", "has a date that is in no calendar"),
        ("keys: {'a b': {}}", "has characters that are not allowed"),
    ],
)
def test_a_mistake_in_a_key_is_named(tmp_path, text, message):
    assert message in wrong(tmp_path, text)


def test_a_day_is_read_as_yaml_writes_it(tmp_path):
    (tmp_path / "stack.yaml").write_text(
        yaml.safe_dump(STACK) + "keys: {alice: {expires: 2027-06-30}}"
    )
    assert load_stack(tmp_path / "stack.yaml")[0].keys["alice"].expires == date(2027, 6, 30)


def test_a_declared_key_that_was_not_issued_is_a_warning():
    declared = declaration(stack(keys={"alice": {}}))
    (warning,) = warnings(declared)
    assert "keys.alice: was never issued; run: llmrack keys issue alice" in str(warning)


def test_gateways_get_the_hash_of_a_key_and_what_it_may():
    whole = stack(keys={"alice": {"models": ["coder"], "expires": "2027-06-30", "rpm": 5}})
    assert json.loads(client_keys(whole, ISSUED)) == {
        "a" * 64: {
            "name": "alice",
            "models": ["coder"],
            "until": "2027-06-30T23:59:59Z",
            "rpm": 5,
            "master": False,
        }
    }


def test_gateways_do_not_know_keys_that_are_undeclared_or_not_issued():
    assert client_keys(stack(keys={"bob": {}}), ISSUED) == "{}"


def test_an_extra_key_counts_as_master_until_its_time():
    extra = ExtraKey("previous master", "b" * 64, "2026-11-21T12:00:00Z")
    (entry,) = json.loads(client_keys(stack(), {}, [extra])).values()
    assert (entry["master"], entry["until"], entry["models"]) == (True, extra.until, None)


def test_a_changed_key_is_a_new_release():
    def release(issued):
        declared = site(stack(keys={"alice": {}}), issued=issued)
        parts = by_component(declared, host(), "amd64")
        return next(resource for resource in parts["gateway"] if isinstance(resource, Release))

    first, other = release({}), release(ISSUED)
    assert first.path != other.path
    assert "a" * 64 in dict(other.files)["keys.json"]


def test_a_key_is_noted_by_its_hash_alone(tmp_path):
    file = tmp_path / "keys.json"
    key = issue(file, "alice").reveal()
    assert key.startswith("sk-llmrack-") and len(key) == 54
    assert read_issued(file)["alice"].sha256 == hashlib.sha256(key.encode()).hexdigest()
    assert key not in file.read_text()


def test_issuing_and_revoking_leave_other_keys_alone(tmp_path):
    file = tmp_path / "keys.json"
    issue(file, "alice")
    alice = read_issued(file)["alice"]
    issue(file, "bob")
    assert read_issued(file)["alice"] == alice
    revoke(file, "bob")
    assert read_issued(file) == {"alice": alice}
    assert [path.name for path in tmp_path.iterdir()] == ["keys.json"]


@pytest.mark.parametrize("text", ["", "[]", '{"alice": {"sha256": "x", "issued": ""}}', "{"])
def test_a_damaged_file_is_named_and_left_as_it_is(tmp_path, text):
    file = tmp_path / "keys.json"
    file.write_text(text)
    with pytest.raises(DeclarationError, match=r"keys\.json: is not what llmrack keys issue wrote"):
        issue(file, "alice")
    assert file.read_text() == text


def test_the_table_of_keys_fits_80_columns_and_names_what_is_of_no_use():
    row = {"declared": True, "models": (), "expires": None, "rpm": None}
    row |= {"issued": "2026-11-21T12:00:00Z", "requests": 0, "last_used": None}
    rows = [
        KeyRow(**row | {"name": "alice", "models": ("llama3.1:latest", "eco"), "rpm": 60}),
        KeyRow(**row | {"name": "late", "expires": "2026-11-20"}),
        KeyRow(**row | {"name": "today", "expires": "2026-11-21"}),
        KeyRow(**row | {"name": "new", "issued": None}),
        KeyRow(**row | {"name": "gone", "declared": False}),
    ]
    keys = Keys(rows, {"box1": "no connection"})
    shown = table(keys, "2026-11-21")
    assert max(map(len, shown.splitlines())) <= 80
    assert shown.splitlines()[-4:] == [
        "late: expired; declare another day and deploy",
        "new: was never issued; run: llmrack keys issue new",
        "gone: is not declared, so no gateway knows it after a deploy",
        "box1 could not be asked: no connection",
    ]
    assert json.loads(as_json(keys))["exit_code"] == 2


@pytest.fixture
def project(tmp_path):
    (tmp_path / "inventory").write_text(INVENTORY)
    whole = {
        "providers": {"local": {"kind": "ollama", "group": "gpu"}},
        "models": {"llama3.2": {"provider": "local"}},
        "keys": {"alice": {}},
    }
    (tmp_path / "stack.yaml").write_text(yaml.safe_dump(whole))
    return tmp_path


def keys(project, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "llmrack", "keys", *arguments],
        cwd=project,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_key_alone_is_printed_and_the_operation_noted(project):
    run = keys(project, "issue", "alice")
    assert (run.returncode, run.stdout.count("\n")) == (0, 1)
    key = run.stdout.strip()
    assert key.startswith("sk-llmrack-") and "the gateways know it after a deploy" in run.stderr
    assert "issue key" in (project / "secrets.audit.jsonl").read_text()
    assert not [path for path in project.rglob("*") if path.is_file() and key in path.read_text()]


def test_a_key_is_issued_once_unless_it_is_to_be_replaced(project):
    first = keys(project, "issue", "alice").stdout
    again = keys(project, "issue", "alice")
    assert (again.returncode, again.stdout) == (1, "")
    assert "cannot be shown again; make another one with --replace" in again.stderr
    assert keys(project, "issue", "alice", "--replace").stdout not in ("", first)


def test_only_declared_keys_are_issued(project):
    run = keys(project, "issue", "alcie")
    assert (run.returncode, run.stdout) == (1, "")
    assert "did you mean 'alice'?" in run.stderr


def test_a_key_that_was_not_issued_cannot_be_revoked(project):
    run = keys(project, "revoke", "alice")
    assert "no key 'alice' was issued; there is nothing to revoke" in run.stderr
