"""What llmrack itself made on a host is noted there, and a removal takes that and nothing else.

A line each: ``user llm``, ``linger llm``, ``group render llm``, ``package zstd``; and, from a
removal, ``kept FOLDER``: models without a user. The script that makes a thing notes it first
(templates/resources/notes.sh), so that nothing is left that nobody knows of when it is cut off, and
takes it back when that fails.
"""

from __future__ import annotations

MADE = "/var/lib/llmrack/made"
KEPT = "kept "
