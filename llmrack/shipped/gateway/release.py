"""The files that a deploy writes beside LiteLLM's config.yaml, in the folder of the release."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


def folder() -> Path:
    """The release's own folder; the link to it may change while this process ends.

    CONFIG_FILE_PATH names the configuration. Raises KeyError if it is not set.
    """
    return Path(os.environ["CONFIG_FILE_PATH"]).resolve().parent


def read_json(name: str) -> dict[str, Any]:
    """The content of ``routing.json`` or ``keys.json``."""
    content: dict[str, Any] = json.loads((folder() / name).read_text(encoding="utf-8"))
    return content
