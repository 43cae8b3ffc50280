"""Stand-in of a vLLM server (`vllm serve`); the key is optional, as vLLM's `--api-key` is.

Paths, error forms and metrics after vLLM's OpenAI-compatible server
(https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html).
"""

from __future__ import annotations

import argparse
from typing import ClassVar

from llmrack_lab.standins import media, openai_form
from llmrack_lab.standins.answers import JSON, Model
from llmrack_lab.standins.http import Reply, Request, Stream
from llmrack_lab.standins.program import key_from_environment, parser, run
from llmrack_lab.standins.provider import Provider, Refusal, Routes

DEFAULT_MODEL = "Qwen/Qwen2.5-Coder-7B-Instruct"
EMBEDDING_DIMENSIONS = 1024
CONTEXT_LENGTH = 32768
HOTTEST = 2
KINDS = ("chat", "embedding", "transcription", "rerank")
ERROR_TYPES = {
    400: "BadRequestError",
    404: "NotFoundError",
    403: "PermissionDeniedError",
    429: "TooManyRequestsError",
    500: "InternalServerError",
    503: "ServiceUnavailableError",
}


class VLLM(Provider):
    """`/v1/models|chat/completions|completions|embeddings|rerank`, `/health|version|metrics`.

    `/v1/audio/transcriptions` too.
    """

    name: ClassVar[str] = "vllm"
    stands_for: ClassVar[str] = "vLLM"

    def routes(self) -> Routes:
        """Return the paths served."""
        return {
            ("GET", "/health"): lambda _: Reply(""),
            ("GET", "/version"): lambda _: Reply({"version": "0.0.0-standin"}),
            ("GET", "/metrics"): lambda _: Reply(self._metrics()),
            ("GET", "/v1/models"): lambda _: self._model_list(),
            ("POST", "/v1/chat/completions"): self._chat,
            ("POST", "/v1/completions"): self._completion,
            ("POST", "/v1/embeddings"): self._embeddings,
            ("POST", "/v1/audio/transcriptions"): self._transcription,
            ("POST", "/v1/rerank"): self._rerank,
            ("POST", "/rerank"): self._rerank,
        }

    def needs_key(self, path: str) -> bool:
        """Only `/v1` is guarded: health and metrics stay open."""
        return path.startswith("/v1")

    def unauthorized(self, request: Request) -> Refusal:
        """Missing and wrong keys are answered alike."""
        return Refusal(401, "Unauthorized")

    def error(self, path: str, refusal: Refusal) -> JSON:
        """Return `{"error": {message, type, param, code}}`, or what FastAPI and its guard say."""
        if refusal.status == 401:
            return {"error": "Unauthorized"}
        if refusal.status == 404 and refusal.param is None:
            return {"detail": "Not Found"}
        # What FastAPI finds wrong with a body has the words of HTTP.
        kind = "Bad Request" if refusal.code == "body" else ERROR_TYPES[refusal.status]
        error = {
            "message": str(refusal),
            "type": kind,
            "param": refusal.param,
            "code": refusal.status,
        }
        return {"error": error}

    def unknown(self, model: str) -> Refusal:
        """Word it as vLLM does."""
        aliases = ", ".join(self.models)
        message = f"The model `{model}` does not exist. Valid aliases: {aliases}."
        return Refusal(404, message, param="model")

    def _model_list(self) -> Reply:
        reply = openai_form.model_list(self, "vllm")
        for entry in reply.body["data"]:
            entry |= {"root": entry["id"], "parent": None, "max_model_len": CONTEXT_LENGTH}
        return reply

    def _chat(self, request: Request) -> Reply | Stream:
        body = request.body or {}
        if "messages" not in body:
            missing = {"type": "missing", "loc": ("body", "messages"), "msg": "Field required"}
            raise Refusal(400, str([missing]), "body")
        model = self._of_kind(request, "chat")
        _check(body, openai_form.chat_prompt(model, body).text)
        return openai_form.chat(self, model, request)

    def _completion(self, request: Request) -> Reply | Stream:
        body = request.body or {}
        model = self._of_kind(request, "chat")
        _check(body, str(body.get("prompt", "")))
        return openai_form.completion(self, model, request)

    def _embeddings(self, request: Request) -> Reply:
        return openai_form.embeddings(self._of_kind(request, "embedding"), request)

    def _transcription(self, request: Request) -> Reply:
        return media.transcription(self, self._of_kind(request, "transcription"), request)

    def _rerank(self, request: Request) -> Reply:
        return media.rerank(self._of_kind(request, "rerank"), request)

    def _of_kind(self, request: Request, kind: str) -> Model:
        """Return the model; Refusal where it has no such path, which is not there then at all."""
        model = self.find(request)
        if model.kind != kind:
            raise Refusal(404, "Not Found")
        return model

    def _metrics(self) -> str:
        lines = ["# This is a stand-in of vLLM: the gauges never move."]
        for metric in ("vllm:num_requests_running", "vllm:num_requests_waiting"):
            lines.append(f"# TYPE {metric} gauge")
            lines += [f'{metric}{{model_name="{name}"}} 0.0' for name in self.models]
        return "\n".join(lines) + "\n"


def _check(body: JSON, text: str) -> None:
    """Check the length of a prompt and the temperature; Refusal where they are out of bounds."""
    temperature = body.get("temperature")
    if temperature is not None and not 0 <= temperature <= HOTTEST:
        raise Refusal(400, f"temperature must be in [0, {HOTTEST}], got {temperature}.")
    given = len(text.split())
    wanted = body.get("max_completion_tokens") or body.get("max_tokens") or 0
    if given + wanted > CONTEXT_LENGTH or given == CONTEXT_LENGTH:
        raise Refusal(
            400,
            f"This model's maximum context length is {CONTEXT_LENGTH} tokens. However, you "
            f"requested {wanted} output tokens and your prompt contains {given} input tokens, for "
            f"a total of {given + wanted} tokens. Please reduce the length of the input prompt or "
            "the number of requested output tokens. "
            f"(parameter=input_tokens, value={given})",
            param="input_tokens",
        )


def main() -> None:
    """Run the stand-in from the command line."""
    cli = parser(__spec__.name, __doc__ or "")
    cli.add_argument(
        "--model",
        action="append",
        type=_model,
        metavar=f"NAME[:{'|'.join(KINDS)}]",
        help=f"a model to serve, may be repeated; default {DEFAULT_MODEL}",
    )
    args = cli.parse_args()
    models = args.model or [Model(DEFAULT_MODEL)]
    run(VLLM(models, key_from_environment(required=False)), args)


def _model(text: str) -> Model:
    name, colon, kind = text.partition(":")
    if not name or (colon and kind not in KINDS):
        kinds = " or ".join(f"NAME:{kind}" for kind in KINDS)
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME, {kinds}")
    if kind == "embedding":
        return Model(name, dimensions=EMBEDDING_DIMENSIONS)
    return Model(name, answers=kind or "chat")


if __name__ == "__main__":
    main()
