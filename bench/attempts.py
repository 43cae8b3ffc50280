"""A callback of LiteLLM that notes each attempt, also one that reaches nobody.

It lies beside a gateway's configuration and appends a line for each attempt to the file
``attempts`` there: the deployment's id, or ``own:`` and its id for a request of the gateway's own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from litellm.integrations.custom_logger import CustomLogger

FILE = Path(__file__).with_name("attempts")
OWN_WORDS = ("Say ok.", "ok")


class Attempts(CustomLogger):
    """Notes what is about to be asked."""

    def log_pre_api_call(self, model: Any, messages: Any, kwargs: Any) -> None:  # noqa: ANN401
        """LiteLLM calls it before each request to a provider."""
        info = (kwargs.get("litellm_params") or {}).get("model_info") or {}
        asked = kwargs.get("input") or messages
        last = asked[-1] if isinstance(asked, list) and asked else asked
        words = last.get("content") if isinstance(last, dict) else last
        own = "own:" if words in OWN_WORDS else ""
        with FILE.open("a", encoding="utf-8") as file:
            file.write(f"{own}{info.get('id')}\n")


callback = Attempts()
