"""What a run that ends with its plan exits with."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import yaml

from tests import ROOT

STACK = {
    "providers": {"local": {"kind": "ollama", "group": "gpu"}},
    "models": {"llama3.2:1b": {"provider": "local"}},
}


def test_a_dry_run_whose_host_is_refused_fails(tmp_path: Path) -> None:
    (tmp_path / "stack.yaml").write_text(yaml.safe_dump(STACK))
    data = {
        "stack_file": str(tmp_path / "stack.yaml"),
        "env_file": str(tmp_path / "env"),
        "secrets_file": str(tmp_path / "secrets.age"),
        # Its home is another one on every Debian.
        "service_user": "nobody",
        "service_home": "/home/nobody",
    }
    (tmp_path / "inventory").write_text(f"gpu = gateway = [('@local', {data!r})]\n")
    command = [
        Path(sys.executable).parent / "pyinfra",
        tmp_path / "inventory",
        "deploy.py",
        "--dry",
    ]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "PYINFRA_PROGRESS": "off"},
        capture_output=True,
        text=True,
    )
    output = done.stdout + done.stderr
    assert "refused, nothing was changed" in output
    assert done.returncode == 1, output
