"""Constant requests to a gateway, to see whether a change loses one."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor

import httpx

from tests.lab.site import Site


class Load:
    """Ten requests a second, plain and streamed in turn, each by a connection of its own."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._end = threading.Event()
        self._sent: list[Future[str]] = []
        self._sender = threading.Thread(target=self._send)

    def __enter__(self) -> Load:
        self._sender.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._sender.join()

    @property
    def answers(self) -> list[str]:
        """What came back, an answer a request."""
        return [each.result() for each in self._sent]

    def _send(self) -> None:
        with ThreadPoolExecutor(32) as pool:
            while not self._end.wait(0.1):
                self._sent.append(pool.submit(self._ask, len(self._sent) % 2 == 1))

    def _ask(self, stream: bool) -> str:
        try:
            answer = self._site.chat("box1", "llama3.2:1b", stream=stream)
        except httpx.HTTPError as error:
            return f"lost: {error!r}"
        whole = answer.text.rstrip().endswith("data: [DONE]") if stream else answer.json()["usage"]
        return "whole" if answer.status_code == 200 and whole else answer.text
