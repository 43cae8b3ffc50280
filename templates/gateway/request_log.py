"""Writes a line for every request whose key has a name: who asked for what, and how it went.

A line is JSON: `time` (its end, ISO 8601 in UTC), `id` (LiteLLM's, the header x-litellm-call-id),
`key` (a name), `model` (as asked for), `status` (HTTP), `input_tokens`, `output_tokens`, `duration`
(seconds). What was asked or answered is never in it. The file is named by LLMRACK_REQUEST_LOG
(default: requests.jsonl beside this one); what cannot be written is lost, and no request fails.
"""

from __future__ import annotations

import json
import logging
import os
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from litellm.integrations.custom_logger import CustomLogger

# Characters of a model's name that are noted.
LONGEST = 200
LOG = logging.getLogger("llmrack.request_log")


class RequestLog(CustomLogger):
    """LiteLLM tells it of every request when it is over.

    + path: the file, which is made when the first line is written
    """

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path
        self._failing = False

    async def async_log_success_event(
        self,
        kwargs: dict[str, Any],
        response_obj: Any,  # noqa: ANN401  (LiteLLM's interface)
        start_time: datetime,
        end_time: datetime,
    ) -> None:
        """One that was answered."""
        said = kwargs.get("standard_logging_object") or {}
        self._note(
            key=(said.get("metadata") or {}).get("user_api_key_alias"),
            id=said.get("litellm_call_id"),
            model=_asked(kwargs.get("litellm_params") or {}) or said.get("model_group"),
            status=200,
            input_tokens=said.get("prompt_tokens") or 0,
            output_tokens=said.get("completion_tokens") or 0,
            duration=round((end_time - start_time).total_seconds(), 3),
        )

    async def async_post_call_failure_hook(
        self,
        request_data: dict[str, Any],
        original_exception: Exception,
        user_api_key_dict: Any,  # noqa: ANN401  (LiteLLM's interface)
        traceback_str: str | None = None,
    ) -> None:
        """One that was refused, or that nobody could answer."""
        # The refusals of auth.py come before LiteLLM knows whose the key is.
        key = user_api_key_dict.key_alias or getattr(original_exception, "key_alias", None)
        status = str(
            getattr(original_exception, "status_code", None)
            or getattr(original_exception, "code", None)
        )
        arrived = (request_data.get("proxy_server_request") or {}).get("arrival_time")
        self._note(
            key=key,
            id=request_data.get("litellm_call_id"),
            model=_asked(request_data) or request_data.get("model"),
            status=int(status) if status.isdigit() else 500,
            input_tokens=0,
            output_tokens=0,
            duration=round(time.time() - arrived, 3) if arrived else 0.0,
        )

    def _note(self, **fields: Any) -> None:  # noqa: ANN401  (what JSON can hold)
        if not fields["key"]:
            # The gateway's own, or somebody whom it does not know.
            return
        # A client may send anything.
        model = fields["model"]
        fields["model"] = model[:LONGEST] if isinstance(model, str) else None
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")  # noqa: UP017  (3.10)
        line = json.dumps({"time": now.replace("+00:00", "Z"), **fields}) + "\n"
        try:
            # Opened for each line, so that it may be moved aside at any time; O_APPEND keeps lines
            # whole when two releases write.
            file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(file, line.encode())
            finally:
                os.close(file)
            self._failing = False
        except OSError as error:
            if not self._failing:
                LOG.error("requests are not noted: %s: %s", self._path, error.strerror)
            self._failing = True


def _asked(found: dict[str, Any]) -> Any:  # noqa: ANN401  (what clients send)
    """The name that the client asked for, before aliases and chains."""
    body = (found.get("proxy_server_request") or {}).get("body")
    return body.get("model") if isinstance(body, dict) else None


callback = RequestLog(
    os.environ.get("LLMRACK_REQUEST_LOG") or str(Path(__file__).with_name("requests.jsonl"))
)
