"""A port is found among what kubectl and what logs in have to say."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmrack.kube.forward import forwarded
from llmrack.kube.kubectl import Kubectl, KubectlError


def saying(tmp_path: Path, script: str) -> Kubectl:
    program = tmp_path / "kubectl"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return Kubectl(str(program), None, "ml", "llmrack-gateway")


def test_notices_before_the_port_are_passed_over(tmp_path: Path) -> None:
    way = saying(
        tmp_path,
        "echo 'this plugin is deprecated' >&2\n"
        "echo 'Forwarding from 127.0.0.1:45678 -> 4000'\nexec sleep 60",
    )
    with forwarded(way, "service/litellm", 4000) as url:
        assert url == "http://127.0.0.1:45678"


def test_a_kubectl_that_ends_is_told_with_its_last_word(tmp_path: Path) -> None:
    way = saying(tmp_path, "echo 'error: unable to forward port because pod is not running' >&2")
    said = "service/litellm cannot be reached: error: unable to forward port because pod is not"
    with pytest.raises(KubectlError, match=said), forwarded(way, "service/litellm", 4000):
        pass
