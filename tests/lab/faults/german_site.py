"""A site that is declared in German: a host with its home and its models on two filesystems."""

from __future__ import annotations

import time

import yaml

from tests.lab.site import STACK, Site

BOX = "box1"
BOXES = {BOX: ("gpu", "gateway")}
HOME, MODELS = "/srv/home/llm", "/srv/disk/models"
PROMPT = "Du bist höflich, „grüßt“ und zählst bis 10 → ∞."
MODEL = {"provider": "local", "create": {"from": "llama3.2:1b", "system": PROMPT}}
STACK_IN_GERMAN = STACK | {"models": STACK["models"] | {"gruesse": MODEL}}


class GermanSite(Site):
    """A site whose files have umlauts in them."""

    keep_alive = 90

    def declare_german(self) -> None:
        self.declare(
            BOXES,
            STACK_IN_GERMAN,
            service_home=HOME,
            ollama_models=MODELS,
            ollama_environment={"OLLAMA_KEEP_ALIVE": f"{self.keep_alive}s"},
        )
        text = yaml.safe_dump(STACK_IN_GERMAN, sort_keys=False, allow_unicode=True)
        (self.folder / "stack.yaml").write_text(f"# Für München\n{text}", encoding="utf-8")
        inventory = self.folder / "inventory"
        inventory.write_text(f"# Für München\n{inventory.read_text()}", encoding="utf-8")

    def declare_change(self) -> None:
        """Declare what restarts Ollama."""
        self.keep_alive += 1
        self.declare_german()

    def recovered(self) -> float:
        """Deploy, expect that to converge; the seconds it took."""
        begun = time.monotonic()
        self.deployed()
        seconds = time.monotonic() - begun
        self.settled()
        return seconds
