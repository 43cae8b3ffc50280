"""How the host of a gateway is cut off from a server elsewhere."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from llmrack.resources.script import script_file

RULES = """table inet llmrack_drill { chain output { type filter hook output priority -10;
meta skuid llm ip daddr 10.0.0.1 tcp dport 443 reject with tcp reset
meta skuid llm ip6 daddr fd00::1 tcp dport 443 reject with tcp reset
}
}
"""


@pytest.mark.parametrize(("scripts", "code", "output"), [(True, 0, ""), (False, 1, "no address")])
def test_only_the_gateways_user_is_cut_off_at_every_address(
    tmp_path: Path, scripts: bool, code: int, output: str
) -> None:
    lines = "fd00::1 STREAM x\\nfd00::1 DGRAM\\n10.0.0.1 STREAM\\n" if scripts else ""
    for name, text in {"getent": f"printf '{lines}'", "nft": f"cat >{tmp_path}/rules"}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    words = ("llm", "x", 443, "reject with tcp reset", "inet llmrack_drill")
    done = subprocess.run(
        ["sh", "-c", script_file("drills/cut-off.sh", *words)],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == code and done.stdout.startswith(output)
    if scripts:
        assert (tmp_path / "rules").read_text() == RULES
