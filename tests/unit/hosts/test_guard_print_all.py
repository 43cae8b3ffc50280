"""A terminal that cannot show everything."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SAY = """
import sys
from llmrack.hosts.guard import print_all
print_all()
print("für ∞")
print("für ∞", file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [("ascii", b"f\\xfcr \\u221e"), ("iso-8859-1", b"f\xfcr \\u221e"), ("utf-8", "für ∞".encode())],
)
def test_what_an_encoding_lacks_is_printed_as_an_escape(encoding: str, shown: bytes) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SAY],
        env={**os.environ, "PYTHONIOENCODING": f"{encoding}:strict"},
        capture_output=True,
    )
    assert (done.stdout.strip(), done.stderr.strip()) == (shown, shown)
