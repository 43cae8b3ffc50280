"""Constant requests to a gateway from outside its host, by the real OpenAI SDK, each counted."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from llmrack_lab.shell import wait_until
from tests.lab.site import ROOT, Site

# What ends an answer of a stand-in: of Ollama, which repeats what it was asked, or of a provider.
ENDS = ('message "Request {number}.".', "whatever they ask.")


@dataclass(frozen=True)
class Answer:
    """What became of one request.

    + stream: whether it was streamed
    + at: when it was sent, in seconds since the epoch
    + seconds: until its end
    + first: seconds until the first token of a stream, if one came
    + text: all that came
    + lost: what the client got instead of a whole answer; empty for a whole one
    """

    stream: bool
    at: float
    seconds: float
    first: float | None
    text: str
    lost: str

    @property
    def by(self) -> str:
        """The host that answered, which a stand-in's words start with: ``[box2 llama3.2:1b]``."""
        return self.text.partition(" ")[0].removeprefix("[")

    @property
    def is_short(self) -> bool:
        """Whether it looked like a whole answer to the client, and was none."""
        return self.lost.startswith("short")

    @property
    def is_broken_off(self) -> bool:
        """Whether it was a stream that had given tokens: nobody else can go on with that."""
        return bool(self.lost) and not self.is_short and self.first is not None


class Requests:
    """Requests for ``model`` to a gateway while the context lasts, plain and streamed in turn.

    + url: of the gateway, with its port
    + clients: each with the SDK's own pool of connections, and one request at a time
    + rate: requests a second of all of them, if they can; 0: as many as they can
    + pooled: False for a new connection each request
    + max_retries: of the SDK, whose default is 2; 0 shows every failure
    + through: what runs the clients elsewhere: the words before their command
    """

    def __init__(
        self,
        url: str,
        key: str,
        model: str = "llama3.2:1b",
        *,
        clients: int = 4,
        rate: float = 10,
        pooled: bool = True,
        max_retries: int = 0,
        through: Sequence[str] = (),
    ) -> None:
        self._order = {
            "url": f"{url}/v1",
            "key": key,
            "model": model,
            "clients": clients,
            "rate": rate,
            "pooled": pooled,
            "max_retries": max_retries,
        }
        self._through = through
        self._folder = TemporaryDirectory(prefix="load-")
        self._answers = Path(self._folder.name) / "answers"
        self._errors = Path(self._folder.name) / "errors"

    def __enter__(self) -> Requests:
        with self._answers.open("w") as out, self._errors.open("w") as errors:
            # A process of its own: pyinfra has patched this one for gevent.
            self._process = subprocess.Popen(
                [*self._through, sys.executable, "-m", "tests.lab.load_client"],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=errors,
                text=True,
            )
        assert self._process.stdin
        self._process.stdin.write(json.dumps(self._order) + "\n")
        self._process.stdin.flush()
        self.wait_for(1)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        try:
            self._process.wait(90)
        finally:
            self._process.kill()
            said = self._errors.read_text()
            self.answers = self.so_far
            self._folder.cleanup()
        assert self._process.returncode == 0, said

    def wait_for(self, number: int, deadline: float = 120) -> None:
        """Wait until so many more requests have ended; ``deadline`` is in seconds."""
        least = self._ended() + number
        in_time = wait_until(
            lambda: self._ended() >= least or self._process.poll() is not None, deadline
        )
        assert in_time, f"{number} requests took {deadline} s\n{self._errors.read_text()}"

    def _ended(self) -> int:
        return self._answers.read_bytes().count(b"\n")

    @property
    def so_far(self) -> list[Answer]:
        """Those that have ended by now; ``answers`` are all, after the end."""
        lines = self._answers.read_text().split("\n")
        return [_answer(json.loads(line)) for line in lines[:-1]]


class Load(Requests):
    """Requests to the gateway on a host of a lab; ``key`` is its master key unless given."""

    def __init__(
        self,
        site: Site,
        host: str = "box1",
        model: str = "llama3.2:1b",
        *,
        key: str = "",
        clients: int = 4,
        rate: float = 10,
        pooled: bool = True,
        max_retries: int = 0,
    ) -> None:
        super().__init__(
            f"http://{site.lab.host(host).address}:4000",
            key or site.secrets["LITELLM_MASTER_KEY"],
            model,
            clients=clients,
            rate=rate,
            pooled=pooled,
            max_retries=max_retries,
        )


def _answer(row: dict[str, Any]) -> Answer:
    ends = tuple(end.format(number=row["number"]) for end in ENDS)
    lost = row.get("error", "")
    if not lost and (row["finish_reason"] != "stop" or not row["text"].endswith(ends)):
        lost = f"short: {row['text']!r} (finish_reason: {row['finish_reason']})"
    return Answer(row["stream"], row["at"], row["seconds"], row.get("first"), row["text"], lost)


def lost(answers: list[Answer]) -> Counter[str]:
    """What clients got instead of whole answers, and how often."""
    return Counter(
        f"{'stream' if each.stream else 'plain'}: {each.lost}" for each in answers if each.lost
    )
