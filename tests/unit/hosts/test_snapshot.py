"""How large things are that a host has yet to fetch, by what their sources say."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from llmrack.hosts.snapshot import sizes_of, sizes_script

# A manifest, the head of an answer, and nothing for any other address.
CURL = """#!/bin/sh
for last; do :; done
case $last in
*manifest) echo '{"config":{"size": 5},"layers":[{"size":3000000000}, {"size":2}]}';;
*archive) printf 'HTTP/2 302\\r\\ncontent-length: 0\\r\\n\\r\\nContent-Length: 4711\\r\\n';;
*) exit 22;;
esac
"""


@pytest.mark.parametrize(
    ("models", "archives", "sizes"),
    [
        ({}, {}, {}),
        ({"a:b": "http://x/manifest"}, {}, {"a:b": 3000000007}),
        ({"a:b": "http://x/none", "c": "http://x/manifest"}, {}, {"c": 3000000007}),
        ({}, {"1": ("http://x/none", "http://x/archive", "http://y/archive")}, {"1": 4711}),
        ({"c": "http://x/manifest"}, {"1": ("http://x/archive",)}, {"c": 3000000007, "1": 4711}),
        ({}, {"1": ("http://x/archive",), "2": ("http://y/archive",)}, {"1": 4711, "2": 4711}),
        ({}, {"1": ("http://x/none",), "2": ("http://x/archive",)}, {"2": 4711}),
    ],
)
def test_what_nobody_answers_for_is_left_out(
    tmp_path: Path,
    models: dict[str, str],
    archives: dict[str, tuple[str, ...]],
    sizes: dict[str, int],
) -> None:
    (tmp_path / "curl").write_text(CURL)
    (tmp_path / "curl").chmod(0o755)
    done = subprocess.run(
        ["sh", "-c", sizes_script(models, archives)],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert sizes_of(done.stdout.splitlines()) == sizes
