"""Entry point: ``python -m llmrack_lab.standins.ollama``, and the ``bin/ollama`` of the archive."""

from __future__ import annotations

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
