"""Writes down which settings the locked LiteLLM knows; a part of `make lock`.

`llmrack check` compares the section `litellm` of stack.yaml with them, without LiteLLM.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from bench.gateway_python import gateway_python
from llmrack.site.litellm_names import NAMES
from llmrack.site.locks import litellm_version, locks

PROGRAM = """
import json
from gateway.known_settings import known_settings
print(json.dumps(known_settings()))
"""
PACKAGES = Path(__file__).parents[1] / "llmrack" / "shipped"


def names() -> str:
    """What the file shall contain: version and names of the locked LiteLLM."""
    done = subprocess.run(  # noqa: S603  (as declared above)
        [gateway_python(), "-c", PROGRAM],
        env={**os.environ, "PYTHONPATH": str(PACKAGES), "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    known = json.loads(done.stdout.splitlines()[-1])
    return json.dumps({"version": litellm_version(locks(None)[0]), **known}, indent=1) + "\n"


if __name__ == "__main__":
    NAMES.write_text(names(), encoding="utf-8")
