"""Makes ``llmrack/stack/litellm_providers.json`` from the locked LiteLLM; a part of `make lock`.

tools/provider_probes.py asks LiteLLM, in an environment as a gateway has it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from bench.gateway_python import gateway_python
from llmrack.files import replace_file
from llmrack.stack.litellm_facts import FILE

PROBES = Path(__file__).with_name("provider_probes.py")
# It takes a minute on two cores.
SECONDS = 600


def made(python: Path) -> str:
    """The text of the file, by the LiteLLM of an environment.

    + python: of that environment

    Raises subprocess.CalledProcessError if LiteLLM could not be asked.
    """
    done = subprocess.run(  # noqa: S603  (our own program)
        [python, "-I", PROBES], capture_output=True, text=True, check=True, timeout=SECONDS
    )
    facts = json.loads(done.stdout.splitlines()[-1])
    # A line for each provider: a change of one is a change of one line.
    prefixes = ",\n".join(
        f"  {json.dumps(prefix)}: {json.dumps(entry)}"
        for prefix, entry in facts.pop("prefixes").items()
    )
    head = json.dumps(facts, indent=1).removesuffix("\n}")
    return f'{head},\n "prefixes": {{\n{prefixes}\n }}\n}}\n'


if __name__ == "__main__":
    try:
        replace_file(FILE, made(gateway_python()), 0o644)
    except subprocess.CalledProcessError as error:
        sys.exit(f"{FILE} was not changed. {error.stderr[-2000:]}")
