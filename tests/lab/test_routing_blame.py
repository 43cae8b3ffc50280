"""Who is to blame for what LiteLLM raises, with the pinned LiteLLM."""

from __future__ import annotations

import json
import os
import subprocess
import time
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from llmrack import shipped

SHIPPED = Path(shipped.__file__).parent
# Raises each of the given errors as LiteLLM does: its own above that of httpx.
PROGRAM = """
import json, sys
import httpx, litellm
from gateway.routing.blame import blame, retry_after, why

def chained(case):
    own = getattr(litellm, case["own"])("said", llm_provider="", model="m")
    request = httpx.Request("POST", "http://box1")
    if "status" in case:
        response = httpx.Response(
            case["status"], headers=case.get("headers"), text=case.get("text"), request=request
        )
        own.__cause__ = httpx.HTTPStatusError("said", request=request, response=response)
    elif "beneath" in case:
        own.__context__ = getattr(httpx, case["beneath"])("said")
    return own

cases = json.loads(sys.argv[1])
told = [(case.get("engine", "vllm"), case.get("sent", True)) for case in cases]
errors = [chained(case) for case in cases]
print(json.dumps([[blame(e, *t), retry_after(e), why(e)] for e, t in zip(errors, told)]))
"""


OLLAMA = {"own": "APIConnectionError", "status": 500, "engine": "ollama"}
# What was raised → who is to blame, and what the log says of it.
CASES: list[tuple[dict[str, Any], str | None, str]] = [
    ({"own": "BadRequestError", "status": 401}, "instance", "it answers 401"),
    ({"own": "InternalServerError", "beneath": "ConnectError"}, "instance", "ConnectError"),
    ({"own": "Timeout", "beneath": "ConnectTimeout"}, "instance", "ConnectTimeout"),
    ({"own": "InternalServerError", "beneath": "ReadError"}, "instance", "ReadError"),
    ({"own": "APIConnectionError", "status": 500}, "model", "it answers 500"),
    ({"own": "APIConnectionError", "status": 404}, "model", "it answers 404"),
    ({"own": "Timeout", "beneath": "ReadTimeout"}, "model", "ReadTimeout"),
    ({"own": "APIConnectionError"}, "model", "APIConnectionError"),
    ({"own": "APIConnectionError", "status": 400}, None, "it answers 400"),
    ({"own": "BadRequestError"}, None, "BadRequestError"),
    *[
        ({"own": "APIConnectionError", "status": s}, None, f"it answers {s}")
        for s in (413, 422, 501)
    ],
    # Before a byte was sent.
    ({"own": "APIConnectionError", "sent": False}, None, "APIConnectionError"),
    ({"own": "Timeout", "sent": False}, "model", "Timeout"),
    (OLLAMA | {"text": 'option "stop" must be of type array'}, None, "it answers 500"),
    (OLLAMA | {"text": '{"error":"invalid think value: silly"}'}, None, "it answers 500"),
    (OLLAMA | {"text": "llama runner process has terminated"}, "model", "it answers 500"),
    # Nobody but Ollama says it as 500.
    (OLLAMA | {"text": 'option "stop" must be', "engine": "vllm"}, "model", "it answers 500"),
]
# Retry-After of a 429; the last one has none.
AFTER = ("7", "DATE", "soon", "-3", "1e9", None)


@pytest.fixture(scope="module")
def judged(gateway_python: Path) -> list[list[Any]]:
    """Of each of CASES and AFTER: who is to blame, seconds of Retry-After, what happened."""
    given = [case for case, *_ in CASES]
    date = formatdate(time.time() + 1000, usegmt=True)
    for text in AFTER:
        headers = {"Retry-After": text.replace("DATE", date)} if text else {}
        given.append({"own": "RateLimitError", "status": 429, "headers": headers})
    command = [gateway_python, "-c", PROGRAM, json.dumps(given)]
    env = os.environ | {"PYTHONPATH": str(SHIPPED)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    found: list[list[Any]] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_what_lies_beneath_tells_and_not_the_class_of_litellm(judged: list[list[Any]]) -> None:
    found = [(each[0], each[2]) for each in judged[: len(CASES)]]
    assert found == [(who, said) for _, who, said in CASES]


def test_retry_after_is_read_as_seconds_and_as_a_date(judged: list[list[Any]]) -> None:
    seconds, date, nonsense, past, long, none = [each[1] for each in judged[len(CASES) :]]
    assert (seconds, nonsense, past, long, none) == (7, None, 0, 3600, None)
    assert 800 < date <= 1001
