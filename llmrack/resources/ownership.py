"""Notes of what llmrack made on a host; a removal takes that and nothing else.

One line for each thing: ``user llm``, ``linger llm``, ``group render llm``, ``package zstd``; of a
service that ``replaces`` names how it was before, ``replaced ollama.service running`` or ``replaced
docker:ollama running unless-stopped``; and, from a removal, ``kept FOLDER``: models without a user.
The script that makes a thing notes it first (templates/resources/notes.sh), so that a script that
is cut off leaves nothing without a note. It takes the note back if making the thing fails.
"""

from __future__ import annotations

MADE = "/var/lib/llmrack/made"
KEPT = "kept "
