"""The results of a verification: one for each check, and all of them as a report."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

PROVEN, FAILED, COULD_NOT_RUN = 0, 1, 2


@dataclass(frozen=True)
class Result:
    """One check and its outcome.

    + host: the host whose gateway or Ollama was asked
    + subject: the public name, or ``gateway`` or ``ollama``
    + check: health, models, wrong key, no key, wrong request, chat, stream, embedding, vision,
      tools, thinking, transcription, speech, rerank, image, name, unknown model, version, models
      present, journal, resident, capabilities, speed or answers
    + ok: whether it was proven
    + instance: the instance that was asked; when ``ok``, the one that answered, with its model if
      the subject is a tier, a mix or an alias. Empty if the check is about no instance, or if it is
      not known
    + latency: seconds until the answer was complete, None without an answer
    + first_token: seconds until the first token of a stream
    + tokens_per_second: completion tokens by the usage counts, over the whole answer or (stream)
      from the first token to the last
    + detail: one line: an observation, or the cause of a failure and the way out
    """

    host: str
    subject: str
    check: str
    ok: bool
    instance: str = ""
    latency: float | None = None
    first_token: float | None = None
    tokens_per_second: float | None = None
    detail: str = ""


@dataclass(frozen=True)
class Report:
    """A whole verification.

    + results: in the order they were found
    + started_at: with time zone
    + not_run: for each host that could not be asked at all, one line with the reason
    """

    results: tuple[Result, ...]
    started_at: datetime
    not_run: tuple[str, ...] = ()

    @property
    def failed(self) -> tuple[Result, ...]:
        """The results that were not proven."""
        return tuple(result for result in self.results if not result.ok)

    @property
    def exit_code(self) -> int:
        """0 when all is proven, 1 when a check failed, 2 when a host or everything went unasked."""
        if self.failed:
            return FAILED
        return COULD_NOT_RUN if self.not_run or not self.results else PROVEN

    @property
    def ok(self) -> bool:
        """Whether everything was asked and proven."""
        return self.exit_code == PROVEN


class Failed(Exception):
    """A check that was not passed.

    + detail: cause and way out, in one line
    + timed_out: whether the time allowed ran out, so that asking again would cost it again
    + status: HTTP status of an answer that is an error; None where there is none
    """

    def __init__(self, detail: str, *, timed_out: bool = False, status: int | None = None) -> None:
        self.detail = detail
        self.timed_out = timed_out
        self.status = status
        super().__init__(detail)


def one_line(text: str, limit: int = 300) -> str:
    """``text`` of a foreign server, fit for a terminal and XML: one line, printable, bounded."""
    line = " ".join(text.split())
    line = "".join(char if char.isprintable() else "?" for char in line)
    return line if len(line) <= limit else f"{line[: limit - 3]}..."
