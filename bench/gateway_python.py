"""A Python with the pinned LiteLLM, for benchmarks and for tests that need no host.

``LLMRACK_TEST_GATEWAY_LOCK`` may name another lock file (tools/gateway_contract.py does).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
CACHE = ROOT / ".lab" / "cache"
_PINNED = ROOT / "templates" / "gateway" / "requirements.txt"
LOCK = Path(os.environ.get("LLMRACK_TEST_GATEWAY_LOCK") or _PINNED)


def gateway_python() -> Path:
    """Its path; the environment is as a gateway release has it, and kept in the lab's cache."""
    venv = CACHE / f"gateway-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]}"
    python = venv / "bin" / "python"
    CACHE.mkdir(parents=True, exist_ok=True)
    # Several labs' tests begin at once; the first one builds it for all of them.
    with venv.with_suffix(".lock").open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        if (venv / "whole").exists():
            return python
        uv = Path(sys.executable).with_name("uv")
        subprocess.run([uv, "venv", "-q", "--clear", "--python", sys.executable, venv], check=True)
        subprocess.run(
            [uv, "pip", "install", "-q", "--python", python, "--require-hashes", "--no-deps",
             "--compile-bytecode", "-r", LOCK],
            # Not the hosts' cache, which is made so that all of their users may write to it.
            env={**os.environ, "UV_CACHE_DIR": str(CACHE / "uv-of-tests")},
            check=True,
        )  # fmt: skip
        (venv / "whole").touch()
    return python
