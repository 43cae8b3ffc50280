"""Clients of a gateway, by the OpenAI SDK: the process of its own that ``load.Load`` starts.

What to do comes as one line of JSON on standard input, with the key. It goes on until that is
closed, and prints a line of JSON for each request that has ended.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from itertools import count
from typing import Any

import openai

# Longer than any answer of a lab may take: a request that hangs is an error in the end.
TIMEOUT = 60.0


class Clients:
    """Clients of one gateway; ``order`` is what ``load.Load`` was told."""

    def __init__(self, order: dict[str, Any]) -> None:
        self._order = order
        self._numbers = count()
        self._end = asyncio.Event()

    async def work(self) -> None:
        """Send requests until standard input is closed."""
        loop = asyncio.get_running_loop()
        waiting = loop.run_in_executor(None, sys.stdin.read)
        waiting.add_done_callback(lambda _: self._end.set())
        clients = range(self._order["clients"])
        await asyncio.gather(*(self._one_after_another() for _ in clients))

    async def _one_after_another(self) -> None:
        rate = self._order["rate"]
        pace = self._order["clients"] / rate if rate else 0.0
        async with self._client() as client:
            while not self._end.is_set():
                paced = asyncio.create_task(asyncio.sleep(pace))
                await self._ask(client, next(self._numbers))
                await paced

    def _client(self) -> openai.AsyncOpenAI:
        return openai.AsyncOpenAI(
            base_url=self._order["url"],
            api_key=self._order["key"],
            max_retries=self._order["max_retries"],
            timeout=TIMEOUT,
            default_headers={} if self._order["pooled"] else {"Connection": "close"},
            http_client=openai.DefaultAsyncHttpxClient(trust_env=False),
        )

    async def _ask(self, client: openai.AsyncOpenAI, number: int) -> None:
        """One request, streamed if its number is odd; prints what became of it."""
        prompt = f"Request {number}."
        row: dict[str, Any] = {"number": number, "stream": number % 2 == 1, "at": time.time()}
        began = time.perf_counter()
        text, reason = "", None
        try:
            answers = client.chat.completions.create(
                model=self._order["model"],
                messages=[{"role": "user", "content": prompt}],
                stream=row["stream"],
            )
            if row["stream"]:
                async for chunk in await answers:
                    for choice in chunk.choices:
                        if choice.delta.content:
                            row.setdefault("first", time.perf_counter() - began)
                            text += choice.delta.content
                        reason = choice.finish_reason or reason
            else:
                (choice,) = (await answers).choices
                text, reason = choice.message.content or "", choice.finish_reason
        except Exception as error:
            row["error"] = f"{type(error).__name__}: {_cause(error)}"[:300]
        row |= {"seconds": time.perf_counter() - began, "text": text, "finish_reason": reason}
        print(json.dumps(row).replace(self._order["key"], "***"), flush=True)


def _cause(error: BaseException) -> str:
    """What it says, and what is behind it: the SDK's "Connection error." alone tells little."""
    behind = error.__cause__
    return f"{error} <- {type(behind).__name__}: {behind}" if behind else str(error)


if __name__ == "__main__":
    asyncio.run(Clients(json.loads(sys.stdin.readline())).work())
