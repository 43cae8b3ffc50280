"""Stand-in of an OpenAI-like service (https://api.openai.com/v1): always needs a key."""

from __future__ import annotations

from typing import ClassVar

from llmrack_lab.standins import media, openai_form
from llmrack_lab.standins.answers import JSON, Model
from llmrack_lab.standins.http import Reply, Request, Stream
from llmrack_lab.standins.program import key_from_environment, parser, run
from llmrack_lab.standins.provider import Provider, Refusal, Routes

MODELS = [
    Model("gpt-4o", vision=True),
    Model("gpt-4o-mini", vision=True),
    Model("text-embedding-3-small", dimensions=1536),
    Model("whisper-1", answers="transcription"),
    Model("tts-1", answers="speech"),
    Model("dall-e-3", answers="image"),
    Model("gpt-image-1", answers="image"),
]


class OpenAILike(Provider):
    """`/v1/models|chat/completions|embeddings|audio/...|images/generations|rerank`."""

    name: ClassVar[str] = "openai"
    stands_for: ClassVar[str] = "OpenAI"

    def routes(self) -> Routes:
        """Return the paths served."""
        return {
            ("GET", "/v1/models"): lambda _: openai_form.model_list(self, "system"),
            ("POST", "/v1/chat/completions"): self._chat,
            ("POST", "/v1/embeddings"): self._embeddings,
            ("POST", "/v1/audio/transcriptions"): self._transcription,
            ("POST", "/v1/audio/speech"): self._speech,
            ("POST", "/v1/images/generations"): self._images,
            ("POST", "/v1/images/edits"): self._images,
            ("POST", "/v1/rerank"): self._rerank,
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
        if model.kind != "chat":
            raise Refusal(404, f"This is not a chat model and not supported at {request.path}.")
        return openai_form.chat(self, model, request)

    def _embeddings(self, request: Request) -> Reply:
        model = self.find(request)
        if not model.dimensions:
            raise Refusal(403, "You are not allowed to generate embeddings from this model.")
        return openai_form.embeddings(model, request)

    def _transcription(self, request: Request) -> Reply:
        return media.transcription(self, self._of_kind(request, "transcription"), request)

    def _speech(self, request: Request) -> Stream:
        return media.speech(self, self._of_kind(request, "speech"), request)

    def _images(self, request: Request) -> Reply:
        return media.images(self._of_kind(request, "image"), request)

    def _rerank(self, request: Request) -> Reply:
        return media.rerank(self._of_kind(request, "rerank"), request)

    def _of_kind(self, request: Request, kind: str) -> Model:
        model = self.find(request)
        if model.kind != kind:
            raise Refusal(400, f"The model `{model.name}` is not supported at {request.path}.")
        return model


def main() -> None:
    """Run the stand-in from the command line."""
    args = parser(__spec__.name, __doc__ or "").parse_args()
    run(OpenAILike(MODELS, key_from_environment(required=True)), args)


if __name__ == "__main__":
    main()
