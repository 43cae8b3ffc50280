"""Stand-in of Ollama Cloud (https://ollama.com): Ollama's API behind a bearer key.

Shapes after Ollama's `docs/openapi.yaml` and `api/types.go`. The bodies of 401 and of unknown
paths are what Ollama itself answers; ollama.com's own were not at hand to compare with.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import ClassVar

from llmrack_lab.standins import openai_form
from llmrack_lab.standins.answers import JSON, Answer, Model, Prompt, embedding
from llmrack_lab.standins.http import Reply, Request, Stream
from llmrack_lab.standins.ollama import binding
from llmrack_lab.standins.ollama.media import check_images, decode_image
from llmrack_lab.standins.ollama.options import check_options
from llmrack_lab.standins.ollama.thinking import check_think, think_of_effort
from llmrack_lab.standins.ollama.wanted_call import wanted_call
from llmrack_lab.standins.program import key_from_environment, parser, run
from llmrack_lab.standins.provider import Provider, Refusal, Routes

# On ollama.com the names carry no `-cloud`: that suffix belongs to a local server's names. Half of
# these were retired in the summer of 2026 (docs/cloud.mdx); the tests go on asking for them.
MODELS = [
    *map(
        Model,
        (
            "deepseek-v3.1:671b",
            "qwen3-coder:480b",
            "kimi-k2:1t",
            "glm-4.6",
            "minimax-m2.5",
            "qwen3.5:397b",
            "glm-5.2",
        ),
    ),
    Model("gpt-oss:120b", thinking=True),
    Model("gpt-oss:20b", thinking=True),
    Model("kimi-k2.5", vision=True),
    Model("kimi-k2.6", vision=True),
    Model("gemma3:27b", vision=True),
    Model("gemma4:31b", vision=True),
]
CONTEXT_LENGTH = 131072


class Cloud(Provider):
    """`/api/tags|version|show|chat|generate|embed`, `/v1/models`, `/v1/chat/completions`."""

    name: ClassVar[str] = "cloud"
    stands_for: ClassVar[str] = "Ollama Cloud"

    def routes(self) -> Routes:
        """Return the paths served."""
        return {
            ("GET", "/api/version"): lambda _: Reply({"version": "0.0.0-standin"}),
            ("GET", "/api/tags"): lambda _: self._tags(),
            ("POST", "/api/show"): self._show,
            ("POST", "/api/chat"): self._chat,
            ("POST", "/api/generate"): self._generate,
            ("POST", "/api/embed"): self._embed,
            ("GET", "/v1/models"): lambda _: openai_form.model_list(self, "ollama"),
            ("POST", "/v1/chat/completions"): self._v1_chat,
        }

    def needs_key(self, path: str) -> bool:
        """Everything but the version and the lists of models, which are open to all.

        Source: heypinchy/pinchy#154, seen with ollama.com for `/v1/models` in April 2026.
        """
        return path not in ("/api/version", "/api/tags", "/v1/models")

    def unauthorized(self, request: Request) -> Refusal:
        """Missing and wrong keys are answered alike."""
        return Refusal(401, "unauthorized")

    def error(self, path: str, refusal: Refusal) -> JSON:
        """Return `{"error": "..."}`, under `/v1` OpenAI's form with Ollama's types."""
        if not path.startswith("/v1"):
            return {"error": str(refusal)}
        types = {400: "invalid_request_error", 404: "not_found_error"}
        kind = types.get(refusal.status, "api_error")
        return {"error": {"message": str(refusal), "type": kind, "param": None, "code": None}}

    def unknown(self, model: str) -> Refusal:
        """Word it as Ollama does."""
        return Refusal(404, f"model '{model}' not found")

    def _tags(self) -> Reply:
        return Reply({"models": [self.entry(model) for model in self.models.values()]})

    def _show(self, request: Request) -> Reply:
        model = self.find(request)
        info = {"general.architecture": "standin", "standin.context_length": CONTEXT_LENGTH}
        return Reply(
            {
                "details": _details(model),
                "model_info": info,
                "capabilities": _capabilities(model),
                "modified_at": _now(),
            }
        )

    def entry(self, model: Model) -> JSON:
        """Return what a list of models says of one."""
        return {
            "name": model.name,
            "model": model.name,
            "modified_at": _now(),
            "size": 0,
            "digest": hashlib.sha256(model.name.encode()).hexdigest(),
            "details": _details(model),
        }

    def _chat(self, request: Request) -> Reply | Stream:
        body = request.body or {}
        binding.bind(body, "ChatRequest", binding.CHAT)
        model = self.find(request)
        messages: list[JSON] = body.get("messages") or []
        images = [image for message in messages for image in message.get("images") or []]
        text = " ".join(message.get("content") or "" for message in messages)
        functions = [tool["function"] for tool in body.get("tools") or []]
        tool, arguments = wanted_call(functions, messages)
        prompt = replace(_prompt(model, body, text, images), tool=tool or None, arguments=arguments)
        answer = self.say(model, prompt) if messages else None
        calls = [_tool_call(tool, answer)] if tool and answer else []
        think = body.get("think") if model.thinking else None
        thoughts = [f"Thinking ({think})."] if think and answer else []
        if thoughts and answer:
            # They come before the first word.
            answer = replace(answer, words=["", *answer.words])

        def part(content: str, *, last: bool) -> JSON:
            message: JSON = {"role": "assistant", "content": content}
            if thoughts:
                message["thinking"] = thoughts.pop()
            return {"message": message | ({"tool_calls": calls} if last and calls else {})}

        return _respond(model, body, answer, part)

    def _v1_chat(self, request: Request) -> Reply | Stream:
        body = request.body or {}
        binding.bind(body, "ChatCompletionRequest", binding.OPENAI_CHAT)
        think_of_effort(body.get("reasoning_effort") or "")
        return openai_form.chat(self, self.find(request), request)

    def _generate(self, request: Request) -> Reply | Stream:
        body = request.body or {}
        binding.bind(body, "GenerateRequest", binding.GENERATE)
        model = self.find(request)
        text = body.get("prompt") or ""
        prompt = _prompt(model, body, text, body.get("images") or [])
        answer = self.say(model, prompt) if text else None
        return _respond(model, body, answer, lambda content, *, last: {"response": content})

    def find_embedding(self, request: Request) -> Model:
        """Return the embedding model asked for; Refusal where it is none."""
        model = self.find(request)
        if not model.dimensions:
            raise Refusal(400, f'"{model.name}" does not support embeddings')
        return model

    def _embed(self, request: Request) -> Reply:
        body, model = request.body or {}, self.find_embedding(request)
        given = body.get("input") or []
        texts = given if isinstance(given, list) else [given]
        return Reply(
            {
                "model": model.name,
                "embeddings": [embedding(str(text), model.dimensions) for text in texts],
                "total_duration": 2,
                "load_duration": 1,
                "prompt_eval_count": sum(len(str(text).split()) for text in texts),
            }
        )


def _respond(
    model: Model, body: JSON, answer: Answer | None, part: Callable[..., JSON]
) -> Reply | Stream:
    """Word an answer with `part(content, last=...)`; no `said` is a mere load of the model."""
    started = time.monotonic_ns()

    def line(content: str, *, last: bool) -> JSON:
        head = {"model": model.name, "created_at": _now()}
        counts = _final_counts(answer, started) if last else {}
        return head | part(content, last=last) | {"done": last} | counts

    if not body.get("stream", True):
        tokens = len(answer.words) if answer else 0
        return Reply(line(answer.text if answer else "", last=True), tokens=tokens)

    def pieces() -> Iterator[bytes]:
        for word in answer.words if answer else []:
            yield json.dumps(line(word, last=False)).encode() + b"\n"
        yield json.dumps(line("", last=True)).encode() + b"\n"

    return Stream("application/x-ndjson", pieces())


def _final_counts(answer: Answer | None, started: int) -> JSON:
    """Return why it ended, the durations in nanoseconds and the counts in tokens."""
    if answer is None:
        return {"done_reason": "load"}
    spent = max(1, time.monotonic_ns() - started)
    return {
        "done_reason": answer.finish_reason,
        "total_duration": spent + 2,
        "load_duration": 1,
        "prompt_eval_count": answer.prompt_tokens,
        "prompt_eval_duration": 1,
        "eval_count": len(answer.words) or max(1, len(answer.tool_arguments or {})),
        "eval_duration": spent,
    }


def _prompt(model: Model, body: JSON, text: str, images: list[str]) -> Prompt:
    check_think(body.get("think"))
    check_options(body.get("options") or {})
    if model.dimensions:
        raise Refusal(400, f'"{model.name}" does not support chat')
    decoded = [decode_image(image) for image in images]
    if not model.vision:
        check_images(decoded, sees=False)
    schema = body.get("format") or None
    if schema == "json":
        schema = {"type": "object", "properties": {"answer": {"type": "string"}}}
    limit = (body.get("options") or {}).get("num_predict")
    # Negative num_predict means no limit.
    limit = limit if limit is not None and limit >= 0 else None
    return Prompt(text, decoded, limit, schema)


def _tool_call(tool: JSON, answer: Answer) -> JSON:
    return {"function": {"index": 0, "name": tool["name"], "arguments": answer.tool_arguments}}


def _details(model: Model) -> JSON:
    family = model.name.partition(":")[0]
    size = model.name.partition(":")[2].upper()
    return {"format": "", "family": family, "families": [family], "parameter_size": size}


def _capabilities(model: Model) -> list[str]:
    if model.dimensions:
        return ["embedding"]
    more = [name for name in ("vision", "thinking") if getattr(model, name)]
    return ["completion", "tools", *more]


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def main() -> None:
    """Run the stand-in from the command line."""
    args = parser(__spec__.name, __doc__ or "").parse_args()
    run(Cloud(MODELS, key_from_environment(required=True)), args)


if __name__ == "__main__":
    main()
