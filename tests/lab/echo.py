"""A provider that hands keys back: its errors say which key it was shown, as some real ones do.

Runs on a lab host, by its Python alone: ``python3 - PORT`` with this on standard input. ``POST
/refuse`` has it refuse every chat from then on, with 401 and the keys; ``POST /serve`` ends that.
"""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODEL = "parrot"
WORDS = "Incorrect API key provided"
refusing = False


class Echo(BaseHTTPRequestHandler):
    """Enough of OpenAI's API for a proof."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._send({"object": "list", "data": [{"id": MODEL, "object": "model"}]})

    def do_POST(self) -> None:
        global refusing
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path in ("/refuse", "/serve"):
            refusing = self.path == "/refuse"
            self._send({})
        elif "Authorization" not in self.headers:
            self._send({"error": {"message": "no key", "type": "invalid_request_error"}}, 401)
        elif refusing:
            # Bare: LiteLLM itself blots out what looks like a header.
            key = str(self.headers["Authorization"]).removeprefix("Bearer ")
            said = f"{WORDS}: {key} {self.headers['X-API-Key']}"
            error = {"message": said, "type": "invalid_request_error"}
            self._send({"error": error}, 401)
        else:
            self._answer(json.loads(body))

    def _answer(self, body: dict[str, object]) -> None:
        head = {"id": "chatcmpl-1", "created": 1, "model": MODEL}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        said = {"role": "assistant", "content": "[echo] hello"}
        if not body.get("stream"):
            choice = {"index": 0, "message": said, "finish_reason": "stop"}
            self._send({**head, "object": "chat.completion", "choices": [choice], "usage": usage})
            return
        choices = [
            {"index": 0, "delta": said, "finish_reason": None},
            {"index": 0, "delta": {}, "finish_reason": "stop"},
        ]
        head["object"] = "chat.completion.chunk"
        chunks: list[object] = [{**head, "choices": [each]} for each in choices]
        chunks.append({**head, "choices": [], "usage": usage})
        lines = [f"data: {json.dumps(each)}\n\n" for each in chunks]
        self._write(200, "text/event-stream", "".join([*lines, "data: [DONE]\n\n"]))

    def _send(self, content: object, status: int = 200) -> None:
        self._write(status, "application/json", json.dumps(content))

    def _write(self, status: int, kind: str, text: str) -> None:
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Not a word: what it was shown are keys."""


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Echo).serve_forever()
