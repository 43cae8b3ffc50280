"""The server's log, in the form of Go's ``slog.TextHandler``."""

from __future__ import annotations

import json
import re
import sys
from datetime import datetime

_NEEDS_QUOTES = re.compile(r'[\s"=]')


def log(message: str, *, level: str = "INFO", source: str = "standin", **fields: object) -> None:
    """Write one line to standard error."""
    words = {"level": level, "source": source, "msg": message, **fields}
    line = " ".join(f"{name}={_quoted(str(value))}" for name, value in words.items())
    now = datetime.now().astimezone().isoformat(timespec="milliseconds")
    print(f"time={now} {line}", file=sys.stderr, flush=True)


def _quoted(text: str) -> str:
    return json.dumps(text) if not text or _NEEDS_QUOTES.search(text) else text
