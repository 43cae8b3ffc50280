"""What is kept of proofs beside the inventory."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from llmrack.verify.last_report import (
    KEPT,
    WholeProof,
    keep_proof,
    last_proof,
    last_whole_proof,
)
from llmrack.verify.report_json import as_json
from tests.page.made_up import findings


def test_last_proof_is_kept_for_its_owner_alone(tmp_path: Path):
    proof = findings().proof
    assert proof
    keep_proof(tmp_path, proof, ["vllm"])
    assert last_proof(tmp_path) == (proof, ["vllm"])
    assert (tmp_path / KEPT).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", ["", "{", "[]", json.dumps({"results": [{"no": 1}]})])
def test_damaged_proof_counts_as_none(tmp_path: Path, content: str):
    (tmp_path / KEPT).parent.mkdir()
    (tmp_path / KEPT).write_text(content)
    assert last_proof(tmp_path) is None
    assert last_whole_proof(tmp_path) is None


def test_last_proof_of_the_whole_fleet_outlives_those_of_a_part(tmp_path: Path):
    proof, whole = findings().proof, WholeProof("digest", "Proven at 10:00:\n")
    assert proof and last_whole_proof(tmp_path) is None
    keep_proof(tmp_path, proof, [], whole)
    part = replace(proof, results=proof.results[:1])
    keep_proof(tmp_path, part, [])
    assert last_proof(tmp_path) == (part, [])
    assert last_whole_proof(tmp_path) == whole


def test_a_proof_kept_by_an_earlier_version_is_of_no_whole_fleet(tmp_path: Path):
    proof = findings().proof
    assert proof
    (tmp_path / KEPT).parent.mkdir()
    (tmp_path / KEPT).write_text(as_json(proof))
    old = (tmp_path / KEPT).with_name("proof.txt")
    old.write_text("digest\nProven at 10:00:\n")
    assert last_proof(tmp_path) == (proof, [])
    assert last_whole_proof(tmp_path) is None
    keep_proof(tmp_path, proof, [])
    assert not old.exists()
