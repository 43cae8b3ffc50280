"""A model's extra_body is added to requests, and changes none of their own fields."""

from __future__ import annotations

from typing import Any

import pytest

from llmrack.shipped.gateway.requests.extra_body import add_fields, add_parameters

DECLARED = {"chat_template_kwargs": {"preserve": True, "enable_thinking": True}, "top_n": 1}


@pytest.mark.parametrize(
    ("kwargs", "sent"),
    [
        ({}, DECLARED),
        # The gateway's own switch of thinking.
        (
            {"extra_body": {"chat_template_kwargs": {"enable_thinking": False}}},
            {"chat_template_kwargs": {"preserve": True, "enable_thinking": False}, "top_n": 1},
        ),
        # A client's field.
        ({"top_n": 7}, DECLARED | {"top_n": 7}),
        ({"extra_body": {"other": 1}}, DECLARED | {"other": 1}),
    ],
)
def test_fields_of_the_request_stay(kwargs: dict[str, Any], sent: dict[str, Any]) -> None:
    add_fields(DECLARED, kwargs)
    assert kwargs == {"extra_body": sent}


def test_without_a_declaration_nothing_is_added() -> None:
    kwargs: dict[str, Any] = {"top_n": 7}
    add_fields({}, kwargs)
    assert kwargs == {"top_n": 7}


def test_requests_do_not_share_what_is_declared() -> None:
    first: dict[str, Any] = {}
    add_fields(DECLARED, first)
    first["extra_body"]["chat_template_kwargs"]["preserve"] = False
    assert DECLARED["chat_template_kwargs"] == {"preserve": True, "enable_thinking": True}


def test_a_service_gets_them_as_parameters() -> None:
    kwargs: dict[str, Any] = {"top_n": 7, "other": None}
    add_parameters({"top_n": 1, "other": [1]}, kwargs)
    assert kwargs == {"top_n": 7, "other": [1]}
