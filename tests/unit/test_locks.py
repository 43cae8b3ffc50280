"""The lock files: every package is pinned, by version and by what it has in it."""

from __future__ import annotations

import re

import pytest

from tests import ROOT

LOCKS = ("requirements.lock", "templates/gateway/requirements.txt", "templates/gateway/uv.txt")
PIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._\[\],-]*==\S+(?: ; .+)?")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def requirements(lock: str) -> list[list[str]]:
    """For each package the pin, then its hashes."""
    text = (ROOT / lock).read_text().replace("\\\n", "\x00")
    lines = [
        line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")
    ]
    return [[part.strip() for part in line.split("\x00")] for line in lines]


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_is_pinned_to_one_version(lock: str) -> None:
    assert [pin for pin, *_ in requirements(lock) if not PIN.fullmatch(pin)] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_has_hashes_and_nothing_else(lock: str) -> None:
    pins = requirements(lock)
    assert pins
    assert [
        pin
        for pin, *hashes in pins
        if not hashes or any(not HASH.fullmatch(digest) for digest in hashes)
    ] == []


def test_what_the_audit_looks_at_is_every_lock_file() -> None:
    audited = re.search(r"^LOCKS := (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert audited and audited[1].split() == list(LOCKS)
