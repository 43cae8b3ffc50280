"""A client's key from its declaration to its end, on a lab host."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx

from tests.lab.site import Run, Site

BOX = "box1"
MODEL = "gpt-oss:20b-cloud"
STACK: dict[str, Any] = {
    "providers": {"cloud": {"kind": "ollama-cloud"}},
    "models": {MODEL: {"provider": "cloud"}},
    "keys": {"alice": {"models": [MODEL], "rpm": 60}, "bob": {}},
}


def keys(site: Site, *arguments: str) -> Run:
    run = site.run("llmrack", "keys", *arguments, "--inventory", site.inventory)
    assert run.code == 0, run.output
    return run


def issue(site: Site, *arguments: str) -> str:
    (key,) = re.findall(r"^sk-llmrack-\S{43}$", keys(site, "issue", *arguments).output, re.M)
    return str(key)


def status(site: Site, key: str) -> int:
    body = {"model": MODEL, "messages": [{"role": "user", "content": "Say hello."}]}
    return httpx.post(
        f"http://{site.lab.host(BOX).address}:4000/v1/chat/completions",
        headers={"Authorization": f"Bearer {key}"},
        json=body,
        timeout=30,
        trust_env=False,
    ).status_code


def listed(site: Site, name: str) -> dict[str, Any]:
    rows = json.loads(keys(site, "list", "--json").output)["keys"]
    (row,) = [row for row in rows if row["name"] == name]
    return dict(row)


def test_a_key_is_issued_used_counted_and_revoked(site: Site) -> None:
    site.declare({BOX: ("gateway",)}, STACK)
    checked = site.run("llmrack", "check", "-i", site.inventory)
    assert (checked.code, "run: llmrack keys issue alice" in checked.output) == (0, True)
    assert listed(site, "alice")["issued"] is None

    alice = issue(site, "alice")
    site.deployed()
    site.settled()
    before = listed(site, "alice")["requests"]
    assert [status(site, alice) for _ in range(2)] == [200, 200]
    row = listed(site, "alice")
    assert (row["requests"], bool(row["last_used"])) == (before + 2, True)
    assert alice not in (site.folder / "keys.json").read_text()
    folder = "/home/llm/.local/state/llmrack/requests"
    assert site.on(BOX, f"stat -c '%U %a' {folder} {folder}/requests.jsonl").split() == [
        *("llm", "700"),
        *("llm", "600"),
    ]

    another = issue(site, "alice", "--replace")
    bob = issue(site, "bob")
    site.deployed()
    assert [status(site, key) for key in (alice, another, bob)] == [401, 200, 200]

    keys(site, "revoke", "alice")
    site.deployed()
    assert [status(site, key) for key in (another, bob)] == [401, 200]
    assert "alice: was never issued" in keys(site, "list").output
