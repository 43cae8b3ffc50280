"""Stand-in of an OpenAI-like service (https://api.openai.com/v1): always needs a key."""

from __future__ import annotations

from typing import ClassVar

from llmrack.lab.standins import openai_form
from llmrack.lab.standins.answers import JSON, Model
from llmrack.lab.standins.http import Reply, Request, Stream
from llmrack.lab.standins.program import key_from_environment, parser, run
from llmrack.lab.standins.provider import Provider, Refusal, Routes

MODELS = [
    Model("gpt-4o", vision=True),
    Model("gpt-4o-mini", vision=True),
    Model("text-embedding-3-small", dimensions=1536),
]


class OpenAILike(Provider):
    """`/v1/models`, `/v1/chat/completions`, `/v1/embeddings`."""

    name: ClassVar[str] = "openai"
    stands_for: ClassVar[str] = "OpenAI"

    def routes(self) -> Routes:
        """Return the paths served."""
        return {
            ("GET", "/v1/models"): lambda _: openai_form.model_list(self, "system"),
            ("POST", "/v1/chat/completions"): self._chat,
            ("POST", "/v1/embeddings"): self._embeddings,
        }

    def needs_key(self, path: str) -> bool:
        """Every path needs it."""
        return True

    def unauthorized(self, request: Request) -> Refusal:
        """Tell a missing key from a wrong one, without repeating it as OpenAI does."""
        if not request.token:
            return Refusal(401, "You didn't provide an API key.")
        return Refusal(401, "Incorrect API key provided.", "invalid_api_key")

    def error(self, path: str, refusal: Refusal) -> JSON:
        """Return `{"error": {message, type, param, code}}`."""
        types = {429: "requests", 500: "server_error", 503: "server_error"}
        kind = types.get(refusal.status, "invalid_request_error")
        codes = {401: "invalid_api_key", 429: "rate_limit_exceeded"}
        code = refusal.code or codes.get(refusal.status)
        return {"error": {"message": str(refusal), "type": kind, "param": None, "code": code}}

    def unknown(self, model: str) -> Refusal:
        """Word it as OpenAI does."""
        text = f"The model `{model}` does not exist or you do not have access to it."
        return Refusal(404, text, "model_not_found")

    def _chat(self, request: Request) -> Reply | Stream:
        model = self.find(request)
        if model.dimensions:
            raise Refusal(404, f"This is not a chat model and not supported at {request.path}.")
        return openai_form.chat(self, model, request)

    def _embeddings(self, request: Request) -> Reply:
        model = self.find(request)
        if not model.dimensions:
            raise Refusal(403, "You are not allowed to generate embeddings from this model.")
        return openai_form.embeddings(model, request)


def main() -> None:
    """Run the stand-in from the command line."""
    args = parser(__spec__.name, __doc__ or "").parse_args()
    run(OpenAILike(MODELS, key_from_environment(required=True)), args)


if __name__ == "__main__":
    main()
