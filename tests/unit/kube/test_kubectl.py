"""What kubectl says is told as people need it."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmrack.kube.kubectl import Kubectl, KubectlError

LOGGED = 'E1129 22:39:38.218978   10522 memcache.go:381] "Unhandled Error" err="…"'


def said(tmp_path: Path, *lines: str) -> str:
    """What is told of a kubectl that says this and fails."""
    program = tmp_path / "kubectl"
    program.write_text("#!/bin/sh\ncat >&2 <<'END'\n" + "\n".join(lines) + "\nEND\nexit 1\n")
    program.chmod(0o755)
    with pytest.raises(KubectlError) as caught:
        Kubectl(str(program), None, "ml", "llmrack-gateway").run("get", "pods")
    return str(caught.value)


def test_the_lines_of_its_log_are_left_out(tmp_path: Path) -> None:
    assert said(tmp_path, LOGGED, LOGGED, "connection refused") == "connection refused"


def test_the_lines_of_its_log_are_told_if_there_are_no_others(tmp_path: Path) -> None:
    assert said(tmp_path, LOGGED) == LOGGED


def test_a_failure_without_a_word_is_told_as_such(tmp_path: Path) -> None:
    assert said(tmp_path) == "kubectl failed without a word"
