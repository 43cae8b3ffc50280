"""A provider's stand-in under test, and what it is asked."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import httpx
import openai

from llmrack_lab.standins.program import StandIn
from llmrack_lab.standins.provider import Provider
from tests import DEADLINE

KEY = "right-key"
ANYWHERE = ("127.0.0.1", 0)
PIXEL = base64.b64encode(b"not really a png").decode()
HELLO = [{"role": "user", "content": "hello there"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        },
    },
}


class Running:
    """A stand-in under test: its API as an HTTP and an OpenAI client, and its control port."""

    def __init__(self, standin: StandIn) -> None:
        self.standin = standin
        base = "http://{}:{}".format(*standin.address)
        self.api = httpx.Client(
            base_url=base, headers={"Authorization": f"Bearer {KEY}"}, timeout=DEADLINE
        )
        self.control = httpx.Client(
            base_url="http://{}:{}".format(*standin.control_address), timeout=DEADLINE
        )
        self.openai = openai.OpenAI(
            base_url=f"{base}/v1", api_key=KEY, max_retries=0, timeout=DEADLINE
        )

    def fault(self, **fault: object) -> None:
        self.control.post("/fault", json=fault).raise_for_status()


def running(provider: Provider) -> Iterator[Running]:
    with StandIn(provider, ANYWHERE, ANYWHERE) as standin:
        yield Running(standin)
