"""docs/agents.md says what the tests of dialects and programs hold."""

from __future__ import annotations

import json
import re

from llmrack.observe.clients.clients import CLIENTS
from tests import ROOT
from tests.lab.agent_programs import FOLDER
from tests.lab.test_dialects import KINDS, TABLE
from tests.soak.test_agents import PROGRAMS

PAGE = (ROOT / "docs" / "agents.md").read_text()
# What the page calls a program → its name in a lock file.
PACKAGES = {
    "Claude Code": "@anthropic-ai/claude-code",
    "Codex": "@openai/codex",
    "OpenCode": "opencode-linux-x64",
    "Cline": "@cline/cli-linux-x64",
    "aider": "aider-chat",
    "Anthropic's SDK for Python": "anthropic",
    "Anthropic's SDK for Node": "@anthropic-ai/sdk",
    "OpenAI's SDK for Python": "openai (Python)",
    "OpenAI's SDK for Node": "openai",
}
CLIENT_OF = {"Claude Code": "claude-code", "Codex": "codex", "OpenCode": "opencode"}
CLIENT_OF |= {"Cline": "cline", "aider": "aider"}


def table(heading: str) -> list[list[str]]:
    """The rows of the first table below a heading, without its own head."""
    below = PAGE.split(f"\n## {heading}\n", 1)[1]
    rows = re.search(r"(?:^\|.*\n)+", below, re.M)
    assert rows
    cells = [[c.strip() for c in row.strip("|").split("|")] for row in rows[0].splitlines()]
    return [cells[0], *cells[2:]]


def test_the_table_of_dialects_is_what_is_tested() -> None:
    head, *rows = table("Dialects")
    assert tuple(head[1:]) == KINDS
    assert {row[0]: dict(zip(KINDS, row[1:], strict=True)) for row in rows} == TABLE


def test_versions_and_what_programs_ask_beside_are_those_of_the_tests() -> None:
    pinned = json.loads((FOLDER / "package.json").read_text())["dependencies"]
    requirements = (FOLDER / "requirements.in").read_text()
    pinned |= dict(re.findall(r"^(aider-chat|anthropic)==(\S+)$", requirements, re.M))
    (openai,) = re.findall(r'"openai==([^"]+)"', (ROOT / "pyproject.toml").read_text())
    pinned["openai (Python)"] = openai
    _, *rows = table("Programs")
    assert {row[0]: row[1] for row in rows} == {n: pinned[p] for n, p in PACKAGES.items()}
    for name, client in CLIENT_OF.items():
        (beside,) = [row[4] for row in rows if row[0] == name]
        hosts = {each.removesuffix(":443") for each in PROGRAMS[client].elsewhere} or {"nobody"}
        assert set(beside.split(", ")) == hosts


def test_every_client_stands_on_the_page() -> None:
    assert set(re.findall(r"^llmrack client (\S+)", PAGE, re.M)) == set(CLIENTS)
