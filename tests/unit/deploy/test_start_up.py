"""What a run that changes nothing does without, so that it starts quickly."""

from __future__ import annotations

import re
import subprocess
import sys

from tests import ROOT

# Each takes 20 to 200 ms to import, and only changes, proofs and other commands need it.
NEEDLESS = {"httpx", "plotext", "rich"}


def test_deploy_py_imports_no_package_that_only_changes_need() -> None:
    modules = re.findall(r"^from (llmrack\S+) import", (ROOT / "deploy.py").read_text(), re.M)
    assert modules
    code = (
        f"import sys, {', '.join(modules)}; "
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert NEEDLESS & set(done.stdout.split()) == set()
