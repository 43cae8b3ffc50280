"""A stand-in of the ``ollama`` program, for hosts that cannot download the official release.

It speaks Ollama's documented HTTP API and command line, keeps models in Ollama's own layout on
disk, and answers with canned text: no model is run. It uses the standard library only, because it
is shipped as one zip archive that has to run with the ``python3`` of a bare Debian 12.

Behaviour and messages follow Ollama's sources (``server/routes.go``, ``server/images.go``,
``cmd/cmd.go``, ``openai/openai.go``); ``tests/contract`` checks them against a real Ollama.
"""

from __future__ import annotations

STANDIN_VERSION = "0.34.4-standin"
"""Version that the stand-in reports, as client and as server."""
