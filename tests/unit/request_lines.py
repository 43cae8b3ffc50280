"""Logs of requests made up, and programs for hosts run as there: apart from this package."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

from llmrack.hosts.connection import Unreached
from llmrack.observe.requests.on_host import BEGIN, program
from llmrack.observe.requests.usage import stamp

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
LINE = {
    "id": "a",
    "key": "demo",
    "model": "llama",
    "served": "llama",
    "instance": "box1",
    "provider": "local",
    "place": "house",
    "position": 0,
    "attempts": [],
    "stream": False,
    "status": 200,
    "error": None,
    "input_tokens": 10,
    "output_tokens": 20,
    "first_token": 0.1,
    "duration": 1.0,
    "tokens_per_second": 40.0,
    "cost": 0.5,
}
FAILED = {"instance": "box2", "model": "llama", "error": "connection", "status": None, "seconds": 1}


def line(ago: float, **fields: object) -> dict:
    """A line of ``ago`` seconds before NOW."""
    return {"time": stamp(NOW - timedelta(seconds=ago)), **LINE, **fields}


def unanswered(ago: float, error: str, status: int = 502, **fields: object) -> dict:
    nobody = {"served": None, "instance": None, "provider": None, "place": None, "position": None}
    spent = {"output_tokens": 0, "first_token": None, "tokens_per_second": None, "cost": 0.0}
    return line(ago, **nobody, **spent, error=error, status=status, **fields)


def write(folder, *lines, name="requests"):
    folder.mkdir(exist_ok=True)
    text = "".join(json.dumps(entry, separators=(",", ":")) + "\n" for entry in lines)
    (folder / f"{name}.jsonl").write_text(text)
    return folder


def on_hosts(folders):
    """``ask_log`` where every gateway's logs are in a folder of ours; None: it is not reached."""

    def ask_log(gateways, modules, **asked):
        return {
            name: Unreached("no connection: nobody there")
            if folder is None
            else json.loads(json.dumps(modules[-1].count(str(folder), **asked)))
            for name, folder in folders.items()
        }

    return ask_log


def run_apart(modules, **asked):
    """What a program prints where this package is not."""
    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-c", BEGIN],
        input=program(modules, **asked),
        text=True,
        capture_output=True,
        check=True,
        cwd="/",
    )
    return ran.stdout
