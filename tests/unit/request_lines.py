"""Logs of requests made up, and programs for hosts run as there: apart from this package."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

from llmrack.hosts.asking import Gateways
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


def line(ago: float, **fields: object) -> dict[str, Any]:
    """A line of ``ago`` seconds before NOW."""
    return {"time": stamp(NOW - timedelta(seconds=ago)), **LINE, **fields}


def unanswered(ago: float, error: str, status: int = 502, **fields: object) -> dict[str, Any]:
    nobody = {"served": None, "instance": None, "provider": None, "place": None, "position": None}
    spent = {"output_tokens": 0, "first_token": None, "tokens_per_second": None, "cost": 0.0}
    return line(ago, **nobody, **spent, error=error, status=status, **fields)


def write(folder: Path, *lines: Mapping[str, Any], name: str = "requests") -> Path:
    folder.mkdir(exist_ok=True)
    text = "".join(json.dumps(entry, separators=(",", ":")) + "\n" for entry in lines)
    (folder / f"{name}.jsonl").write_text(text)
    return folder


def on_hosts(
    folders: Mapping[str, Path | None],
) -> Callable[..., tuple[dict[str, Any], dict[str, str]]]:
    """``ask_log`` where every gateway's logs are in a folder of ours; None: it is not reached."""

    def ask_log(
        gateways: Gateways, module: ModuleType, **asked: Any
    ) -> tuple[dict[str, Any], dict[str, str]]:
        counted = {
            name: json.loads(json.dumps(module.count(str(folder), **asked)))
            for name, folder in folders.items()
            if folder
        }
        return counted, dict.fromkeys(folders.keys() - counted, "no connection: nobody there")

    return ask_log


def run_apart(module: ModuleType, **asked: object) -> str:
    """What a program prints where this package is not."""
    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-c", BEGIN],
        input=program(module, **asked),
        text=True,
        capture_output=True,
        check=True,
        cwd="/",
    )
    return ran.stdout
