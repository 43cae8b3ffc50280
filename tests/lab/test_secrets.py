"""Canaries: secrets whose values exist nowhere else are looked for wherever they must not be."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from llmrack.lab.keys import write_private
from llmrack.lab.lab import Lab
from tests.lab.site import ROOT, Run, Site

BOX = "box3"
HOME = "/home/llm"
CONFIG = f"{HOME}/.config/llmrack"
ENV_FILE = f"{CONFIG}/gateway.env"
PROGRAM = "$(readlink -f current)/venv/lib/python3*/site-packages/litellm/proxy/proxy_server.py"
LOUD = ("-vvv", "--debug", "--diff")
STACK: dict[str, Any] = {
    "providers": {
        "local": {"kind": "ollama", "group": "gpu"},
        "vllm": {"kind": "vllm", "url": "http://vllm.lab:8000/v1", "api_key": "VLLM_API_KEY"},
        "openai": {
            "kind": "openai-compatible",
            "url": "https://openai.lab/v1",
            "api_key": "OPENAI_API_KEY",
        },
        "cloud": {"kind": "ollama-cloud"},
    },
    "models": {
        "llama3.2:1b": {"provider": "local", "preload": True},
        "assistant": {"provider": "local", "create": {"from": "llama3.2:1b", "system": "Help."}},
        "qwen-coder-vllm": {"provider": "vllm", "model": "Qwen/Qwen2.5-Coder-7B-Instruct"},
        "gpt-4o": {"provider": "openai"},
        "gpt-oss:20b-cloud": {"provider": "cloud"},
    },
    "chains": {"llama3.2:1b": ["qwen-coder-vllm", "gpt-4o", "gpt-oss:20b-cloud"]},
}
OTHER_CHAIN = STACK | {"chains": {"llama3.2:1b": ["gpt-oss:20b-cloud"]}}
UNKNOWN_MODEL = STACK | {"models": STACK["models"] | {"no-such-model:1b": {"provider": "local"}}}


@dataclass
class Evidence:
    """Every run with what it printed, and what was seen meanwhile."""

    site: Site
    keys: dict[str, str]
    old_master: str
    started: float
    runs: dict[str, Run] = field(default_factory=dict)
    host: dict[str, Any] = field(default_factory=dict)
    controller: dict[str, Any] = field(default_factory=dict)

    @property
    def values(self) -> dict[str, str]:
        """The canaries by name; the master key has two, one before its change and one after."""
        return self.keys | {"the old LITELLM_MASTER_KEY": self.old_master}

    def shown_in(self, text: str) -> list[str]:
        """Names of the secrets that stand in ``text``."""
        return [name for name, value in self.values.items() if value in text]

    @property
    def env_file(self) -> Path:
        return self.site.folder / "secrets.env"

    def declare(self, stack: dict[str, Any], **keys: str) -> None:
        self.keys |= keys
        write_private(self.env_file, "".join(f"{k}={v}\n" for k, v in self.keys.items()))
        self.site.declare(
            {BOX: ("gpu", "gateway")},
            stack,
            env_file=str(self.env_file),
            ollama_instances="per-gpu",
        )


@contextmanager
def watched(evidence: Evidence, lab: Lab) -> Iterator[None]:
    """Sample process lists here and on the host, and the modes of what is written there."""
    program = Path(__file__).with_name("watch.py").read_text()
    remote = f"exec python3 -c {shlex.quote(program)} {CONFIG}"
    commands = {
        "host": ["ssh", "-F", str(lab.ssh_config), BOX, remote],
        "controller": [sys.executable, "-c", program],
    }
    watchers = {
        name: subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for name, command in commands.items()
    }
    try:
        yield
    finally:
        for name, watcher in watchers.items():
            setattr(evidence, name, json.loads(watcher.communicate(timeout=60)[0]))


@pytest.fixture(scope="module")
def evidence(lab: Lab, module_site: Site, fresh: Callable[[str], None]) -> Evidence:
    """A first deploy, deploys that fail at every step that has secrets near it, a changed key."""
    fresh(BOX)
    master = f"sk-canary-{secrets.token_hex(16)}"
    found = Evidence(module_site, module_site.secrets, master, time.time() - 1)
    site, runs = module_site, found.runs
    found.declare(STACK, LITELLM_MASTER_KEY=master)
    with watched(found, lab):
        runs["plan"] = site.run("pyinfra", site.inventory, "deploy.py", "--dry", *LOUD)
        runs["debug-operations"] = site.deploy("--debug-operations", *LOUD)
        runs["debug-inventory"] = site.run("pyinfra", site.inventory, "debug-inventory", "--debug")
        runs["first"] = site.deploy(*LOUD, "--debug-all")
        runs["llmrack status"] = site.run("llmrack", "status", "--gpus", "-i", site.inventory)
        runs["llmrack plan"] = site.run("llmrack", "plan", "--files", "-i", site.inventory)
        runs["llmrack check"] = site.run("llmrack", "check", "--json", "-i", site.inventory)
        runs["llmrack verify"] = site.run("llmrack", "verify", "--json", "-i", site.inventory)

        found.declare(UNKNOWN_MODEL)
        runs["fails at a model"] = site.deploy(*LOUD)

        found.declare(STACK, LITELLM_MASTER_KEY=f"sk-canary-{secrets.token_hex(16)}")
        site.on(BOX, f"mv {ENV_FILE} {ENV_FILE}.away && mkdir {ENV_FILE}")
        runs["fails at the environment file"] = site.deploy(*LOUD)
        site.on(BOX, f"rmdir {ENV_FILE} && mv {ENV_FILE}.away {ENV_FILE}")

        found.declare(OTHER_CHAIN)
        base = f"cd {HOME}/.local/opt/llmrack-gateway"
        site.on(BOX, f"{base} && for f in {PROGRAM}; do echo 'raise SystemExit' > $f.new; "
                     "mv $f $f.away; mv $f.new $f; done")  # fmt: skip
        runs["fails at the gate"] = site.deploy(*LOUD)
        site.on(BOX, f"{base} && for f in {PROGRAM}; do mv $f.away $f; done")

        site.fault("cloud", "401")
        runs["fails at the proof"] = site.deploy(*LOUD)
        site.fault("cloud", "ok")

        found.declare(STACK)
        runs["changed"] = site.deploy(*LOUD)
        runs["settled"] = site.deploy(*LOUD)
    return found


def test_the_runs_went_as_they_were_meant_to(evidence: Evidence) -> None:
    failing = {name for name, run in evidence.runs.items() if run.code != 0}
    assert failing == {name for name in evidence.runs if name.startswith("fails")}, [
        evidence.runs[name].output[-3000:] for name in failing if not name.startswith("fails")
    ]
    reasons = {
        "fails at a model": "no-such-model",
        "fails at the environment file": f"EnvironmentFile {ENV_FILE} failed",
        "fails at the gate": "Gateway failed",
        "fails at the proof": "not proven: gpt-oss:20b-cloud",
    }
    for name, reason in reasons.items():
        assert reason in evidence.runs[name].output
    settled = evidence.runs["settled"]
    assert not settled.changed
    assert settled.commands == {BOX: 1}


def test_no_run_prints_a_secret(evidence: Evidence) -> None:
    found = {name: evidence.shown_in(run.output) for name, run in evidence.runs.items()}
    assert not any(found.values()), found


@pytest.mark.parametrize(
    ("place", "program"), [("host", "gate.py"), ("controller", "deploy.py -y -vvv")]
)
def test_no_process_list_shows_a_secret(evidence: Evidence, place: str, program: str) -> None:
    lists = "\n".join(getattr(evidence, place)["args"])
    assert program in lists
    assert evidence.shown_in(lists) == []


def test_the_environment_file_is_never_open_to_others(evidence: Evidence) -> None:
    user = int(evidence.site.on(BOX, "id -u llm"))
    seen = {
        (path, owner, mode)
        for path, owner, mode in evidence.host["files"]
        if path.startswith(ENV_FILE) and not (path == ENV_FILE and owner == 0)
    }
    # The file itself, the beside-file that it is renamed from, and where the test moved it to.
    assert ENV_FILE in {path for path, _, _ in seen}
    assert {(owner, mode) for _, owner, mode in seen} == {(user, 0o600)}
    assert [user, 0o700] in [rest for path, *rest in evidence.host["files"] if path == CONFIG]


def test_on_the_host_the_environment_file_alone_has_the_secrets(
    evidence: Evidence, lab: Lab
) -> None:
    search = (
        "grep -rlaF -f /dev/stdin --devices=skip --exclude-dir=proc --exclude-dir=sys "
        "--exclude-dir=lab / 2>/dev/null"
    )
    others = evidence.site.on(BOX, f"cd {CONFIG} && ls ollama/*.env models/* warm-up").split()
    assert len(others) == 3, others
    patterns = "\n".join(evidence.values.values())
    found = lab.host(BOX).ssh(search, input=patterns, check=False).stdout.split()
    assert found == [ENV_FILE]
    assert evidence.site.on(BOX, f"stat -c '%U %a' {ENV_FILE}") == "llm 600"


def test_no_journal_of_the_host_has_a_secret(evidence: Evidence, lab: Lab) -> None:
    def lines_with(words: list[str]) -> int:
        command = "{ journalctl -q --all -o export | grep -caF -f /dev/fd/3; } 3<&0"
        return int(lab.host(BOX).ssh(command, input="\n".join(words), check=False).stdout)

    assert lines_with(list(evidence.values.values())) == 0
    assert lines_with(["LiteLLM"]) > 0


def test_the_old_master_key_is_gone_from_the_host(evidence: Evidence) -> None:
    assert evidence.old_master not in evidence.site.on(BOX, f"cat {ENV_FILE}")


def test_the_controller_keeps_secrets_in_private_files_alone(evidence: Evidence, lab: Lab) -> None:
    assert (ROOT / ".llmrack" / "gpus.json").stat().st_mtime >= evidence.started
    boxes = {folder.name for folder in lab.folder.glob("box*")}
    others = {".git", ".venv", ".lab"} | boxes
    holders = []
    for top in (ROOT, lab.folder, Path(tempfile.gettempdir()), Path.home()):
        for folder, names, files in os.walk(top):
            names[:] = [name for name in names if name not in others]
            for path in (Path(folder, name) for name in files):
                if path.is_file() and path.stat().st_mtime >= evidence.started:
                    text = path.read_text(encoding="utf-8", errors="replace")
                    holders += [path] * bool(evidence.shown_in(text))
    assert set(holders) == {evidence.env_file}
    assert evidence.env_file.stat().st_mode & 0o777 == 0o600


def ask(evidence: Evidence, model: str) -> str:
    """The answer of ``model``."""
    answer = httpx.post(
        f"http://{evidence.site.lab.host(BOX).address}:4000/v1/chat/completions",
        headers={"Authorization": f"Bearer {evidence.keys['LITELLM_MASTER_KEY']}"},
        json={"model": model, "messages": [{"role": "user", "content": "Say hello."}]},
        timeout=30,
        trust_env=False,
    )
    assert answer.status_code == 200, answer.text
    content: str = answer.json()["choices"][0]["message"]["content"]
    return content


def ollama_requests(site: Site) -> Any:
    return json.loads(site.on(BOX, "curl -s http://127.0.0.1:11434/__standin__/requests"))


@pytest.fixture(scope="module")
def asked(evidence: Evidence) -> dict[str, str]:
    """What each server was asked, as text, after every fallback of the chain was taken once."""
    site = evidence.site
    fault = 'curl -s -d \'{"mode":"%s"}\' http://127.0.0.1:11434/__standin__/fault'
    answers = [ask(evidence, "llama3.2:1b")]
    site.on(BOX, fault % "500")
    answers.append(ask(evidence, "llama3.2:1b"))
    site.fault("vllm", "500")
    answers.append(ask(evidence, "llama3.2:1b"))
    site.fault("openai", "500")
    answers.append(ask(evidence, "llama3.2:1b"))
    site.on(BOX, fault % "ok")
    assert [answer.split()[0] for answer in answers] == ["[box3", "[vllm", "[openai", "[cloud"]
    providers = {name: json.dumps(site.requests(name)) for name in ("vllm", "openai", "cloud")}
    return providers | {"ollama": json.dumps(ollama_requests(site))}


@pytest.mark.parametrize(
    ("server", "own"),
    [
        ("cloud", "OLLAMA_API_KEY"),
        ("vllm", "VLLM_API_KEY"),
        ("openai", "OPENAI_API_KEY"),
        ("ollama", None),
    ],
)
def test_each_server_is_shown_its_own_key_and_no_other(
    evidence: Evidence, asked: dict[str, str], server: str, own: str | None
) -> None:
    digests = {
        name: hashlib.sha256(value.encode()).hexdigest() for name, value in evidence.values.items()
    }
    shown = {name for name, digest in digests.items() if digest in asked[server]}
    assert shown == ({own} if own else set())
    assert evidence.shown_in(asked[server]) == []
