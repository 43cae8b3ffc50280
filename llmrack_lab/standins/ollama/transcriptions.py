"""``POST /v1/audio/transcriptions``: a form with a file, turned into a chat with that file in it.

After Ollama's ``middleware/openai.go``. None of the lab's models can hear.
"""

from __future__ import annotations

import base64
from email.parser import BytesParser
from email.policy import HTTP

from .errors import ApiError
from .types import JsonObject

PATH = "/v1/audio/transcriptions"


def read_form(content_type: str, data: bytes) -> JsonObject:
    """The fields of a form; its ``file`` in base64.

    Raises:
        ApiError: 400, it is no form.
    """
    if not content_type.startswith("multipart/form-data"):
        reason = "request Content-Type isn't multipart/form-data"
        raise ApiError(400, f"failed to parse multipart form: {reason}")
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    form: JsonObject = {}
    for part in BytesParser(policy=HTTP).parsebytes(head + data).iter_parts():
        content = part.get_payload(decode=True)
        if not isinstance(content, bytes):
            continue
        name = str(part.get_param("name", header="content-disposition"))
        if part.get_filename() is None:
            form[name] = content.decode(errors="replace")
        elif name == "file":
            form[name] = base64.b64encode(content).decode()
    return form


def chat_request(form: JsonObject) -> JsonObject:
    """The body for ``/api/chat``.

    Raises:
        ApiError: 400, something is missing.
    """
    if not form.get("model"):
        raise ApiError(400, "model is required")
    if "file" not in form:
        raise ApiError(400, "file is required: http: no such file")
    if not form["file"]:
        raise ApiError(400, "audio file is empty")
    return {
        "model": form["model"],
        "messages": [
            {"role": "system", "content": "Transcribe the audio exactly as spoken."},
            {
                "role": "user",
                "content": "What exact words are spoken in this audio?",
                "images": [form["file"]],
            },
        ],
        "options": {"temperature": 0},
        "stream": False,
    }


def transcription(answer: JsonObject) -> JsonObject:
    """The answer: the text alone."""
    return {"text": answer["message"]["content"].strip()}
