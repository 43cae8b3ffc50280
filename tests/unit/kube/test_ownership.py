"""What llmrack has set of an object is read from the server's notes."""

from __future__ import annotations

from typing import Any

import pytest

from llmrack.kube.ownership import others, ours


def noted(fields: dict[str, Any], manager: str = "llmrack") -> dict[str, Any]:
    return {"manager": manager, "operation": "Apply", "fieldsV1": fields}


def thing(entries: list[dict[str, Any]], **parts: Any) -> dict[str, Any]:
    about = {"name": "a", "namespace": "ml", "uid": "1", "managedFields": entries}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": about, **parts}


HEAD = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a", "namespace": "ml"}}


@pytest.mark.parametrize(
    ("value", "fields", "found"),
    [
        ({"A": "1", "B": "2"}, {"f:data": {"f:A": {}}}, {"data": {"A": "1"}}),
        ({"A": "1", "B": "2"}, {"f:data": {".": {}, "f:B": {}}}, {"data": {"B": "2"}}),
        ({"A": {"x": 1}}, {"f:data": {"f:A": {}}}, {"data": {"A": {"x": 1}}}),
        ({"A": "1"}, {"f:data": {".": {}}}, {"data": {}}),
        (
            [{"name": "a", "image": "x", "tty": True}, {"name": "b"}],
            {"f:data": {'k:{"name":"a"}': {".": {}, "f:name": {}, "f:image": {}}}},
            {"data": [{"name": "a", "image": "x"}]},
        ),
        (
            [{"name": "b"}, {"name": "a"}],
            {"f:data": {'k:{"name":"a"}': {".": {}}, 'k:{"name":"b"}': {".": {}}}},
            {"data": [{"name": "b"}, {"name": "a"}]},
        ),
        (["x", "y"], {"f:data": {'v:"y"': {}}}, {"data": ["y"]}),
        ([{"name": "a"}], {"f:data": {}}, {"data": [{"name": "a"}]}),
        ({"A": "1"}, {"f:data": {"f:gone": {}}}, {"data": {}}),
    ],
)
def test_fields_are_those_that_are_noted_for_us(value: Any, fields: Any, found: Any) -> None:
    assert ours(thing([noted(fields)], data=value), "llmrack") == HEAD | found


def test_labels_stay_beside_the_name() -> None:
    one = thing([noted({"f:metadata": {"f:labels": {"f:a": {}}}})])
    one["metadata"]["labels"] = {"a": "1", "b": "2"}
    assert ours(one, "llmrack")["metadata"] == {
        "name": "a",
        "namespace": "ml",
        "labels": {"a": "1"},
    }


def test_without_a_note_nothing_is_ours() -> None:
    one = thing([noted({"f:data": {"f:A": {}}}, "kubectl-create")], data={"A": "1"})
    assert ours(one, "llmrack") == HEAD
    assert others(one, "llmrack") == {"kubectl-create"}
