"""The pages of the docs, their commands, and a clone in which these run as they stand there."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from llmrack_lab.keys import write_private
from llmrack_lab.lab import Lab
from llmrack_lab.shell import wait_until
from tests import COMMAND_DEADLINE, ROOT
from tests.lab.sources import mirror_of, registry_of, trusted

PAGES = ["README.md", *sorted(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md"))]
# The configuration of a LiteLLM proxy that somebody has already.
LITELLM = """\
model_list:
  - model_name: gpt-4o
    litellm_params:
      model: openai/gpt-4o
      api_key: os.environ/OPENAI_API_KEY
      rpm: 60
  - model_name: coder
    litellm_params:
      model: ollama_chat/qwen2.5-coder:7b
      api_base: http://127.0.0.1:11434
litellm_settings:
  num_retries: 3
  fallbacks: [{coder: [gpt-4o]}]
general_settings:
  master_key: os.environ/LITELLM_MASTER_KEY
"""
KEYS = "OPENAI_API_KEY=sk-of-the-time-before\nLITELLM_MASTER_KEY=sk-that-clients-have\n"
# Their commands take minutes: they restart the gateway for each key, build bundles and labs.
LONG = [f"docs/{name}.md" for name in ("keys", "lab", "offline", "operate", "secrets")]
# Its commands need a cluster (tests/kube/test_docs.py).
IN_CLUSTER = "docs/kubernetes.md"
# What a person would end with Ctrl-C, and what shows that it has begun.
FOLLOWS, REDRAWS = "llmrack tail", "--watch"


def commands(page: str) -> list[str]:
    """The lines of the page's shell blocks."""
    blocks = re.findall(r"^```sh\n(.*?)^```", (ROOT / page).read_text(), re.M | re.S)
    lines = [
        line.split("  #")[0].split(" # ")[0].strip() for b in blocks for line in b.splitlines()
    ]
    return [line for line in lines if line and "make" not in line.split()]


class Clone:
    """The files that a clone has, pointed at box1 and box2 of the tests' lab."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab, self.folder = lab, folder
        files = subprocess.run(
            ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        for name in files.stdout.splitlines():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
        (folder / ".lab").symlink_to(ROOT / ".lab")
        inventory = (folder / "inventory").read_text().replace(".lab/demo", f".lab/{lab.name}")
        for number in (1, 2):
            inventory = inventory.replace(f"10.77.0.1{number}", lab.host(f"box{number}").address)
        # Bundles are made on this machine, which knows the lab's mirror by its address alone.
        mirror = f'"ssh_user": "root", "ollama_mirror": "{mirror_of(lab)}",'
        (folder / "inventory").write_text(inventory.replace('"ssh_user": "root",', mirror))
        # A user's own, of the time before there was a vault.
        write_private(folder / ".env", (lab.folder / "env").read_text())
        (folder / "home").mkdir()
        # Of the time before llmrack.
        (folder / "litellm").mkdir()
        (folder / "litellm/config.yaml").write_text(LITELLM)
        write_private(folder / "litellm/.env", KEYS)

    def start(self, command: str) -> subprocess.Popen[str]:
        """A line of a page as a shell runs it, in a process group of its own."""
        return subprocess.Popen(
            ["bash", "-c", command],
            cwd=self.folder,
            env={
                **os.environ,
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "HOME": str(self.folder / "home"),
                # What was fetched before is not fetched again.
                "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache")),
                "LLMRACK_LAB": self.lab.name,
                "PYINFRA_PROGRESS": "off",
                "LLMRACK_REGISTRY": registry_of(self.lab),
                "SSL_CERT_FILE": trusted(self.lab, self.folder),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, command: str) -> str:
        """What the command prints; it has to succeed, or to end well at Ctrl-C."""
        process = self.start(command)
        before = ""
        try:
            if command.startswith(FOLLOWS):
                # It may have nothing to print: it has begun when its program runs on the gateway.
                assert wait_until(self.is_followed, COMMAND_DEADLINE), command
            elif REDRAWS in command:
                assert process.stdout
                before = process.stdout.readline()
            if command.startswith(FOLLOWS) or REDRAWS in command:
                os.killpg(process.pid, signal.SIGINT)
            # The answer to pyinfra's "Press enter to execute".
            output = before + process.communicate("\n", timeout=COMMAND_DEADLINE)[0]
        finally:
            process.kill()
        assert process.returncode == 0, f"{command}\n{output}"
        return output

    def is_followed(self) -> bool:
        """Whether somebody follows the log of the gateway."""
        followers = self.lab.host("box1").ssh("pgrep -u llm -f module.main", check=False)
        return bool(followers.stdout.strip())
