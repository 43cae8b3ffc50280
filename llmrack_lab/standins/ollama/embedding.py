"""``/api/embed`` and ``/api/embeddings``."""

from __future__ import annotations

import time

from . import answers, binding
from .errors import ApiError
from .inference import Inference, keep_alive_of
from .model import Model
from .types import JsonObject

# llama-server is started with --embeddings for models that embed; else this is what it says.
NO_EMBEDDINGS = "This server does not support embeddings. Start it with `--embeddings`"
"""The answer of a model that does not embed."""


class Embedding:
    """Answers with vectors that depend on model and text alone.

    Args:
        inference: finds and loads the models.
    """

    def __init__(self, inference: Inference) -> None:
        self._inference = inference

    def embed(self, body: JsonObject) -> JsonObject:
        """``POST /api/embed``: unit vectors of the model's dimension."""
        binding.bind(body, "EmbedRequest", binding.EMBED)
        keep_alive = keep_alive_of(body)
        name = body.get("model") or ""
        started = time.perf_counter_ns()
        inputs = body.get("input") or []
        inputs = [inputs] if isinstance(inputs, str) else inputs
        if not isinstance(inputs, list) or not all(isinstance(text, str) for text in inputs):
            raise ApiError(400, "invalid input type")
        model = self._model(name, f"model '{name}' not found")
        options = self._inference.load(model, body, keep_alive)
        loaded = time.perf_counter_ns()
        if not inputs:
            return {"model": name, "embeddings": []}
        counts = [max(1, len(answers.tokens_of(text))) for text in inputs]
        context = int(options["num_ctx"])
        if body.get("truncate") is False and max(counts) > context:
            raise ApiError(400, "the input length exceeds the context length")
        if "embedding" not in model.capabilities:
            raise ApiError(501, NO_EMBEDDINGS)
        vectors = [_vector(model, name, text) for text in inputs]
        dimensions = int(body.get("dimensions") or 0)
        if 0 < dimensions < len(vectors[0]):
            vectors = [answers.normalized(vector[:dimensions]) for vector in vectors]
        return {
            "model": name,
            "embeddings": vectors,
            "total_duration": time.perf_counter_ns() - started,
            "load_duration": loaded - started,
            "prompt_eval_count": sum(min(count, context) for count in counts),
        }

    def embeddings(self, body: JsonObject) -> JsonObject:
        """``POST /api/embeddings``, the older form: one prompt, one vector."""
        binding.bind(body, "EmbeddingRequest", {**binding.EMBED, "prompt": "string"})
        keep_alive = keep_alive_of(body)
        name = body.get("model") or ""
        if not name:
            raise ApiError(400, "model is required")
        model = self._model(name, "")
        self._inference.load(model, body, keep_alive)
        prompt = body.get("prompt") or ""
        if prompt and "embedding" not in model.capabilities:
            # Here Ollama does not hand on the status.
            raise ApiError(500, NO_EMBEDDINGS)
        return {"embedding": _vector(model, name, prompt) if prompt else []}

    def _model(self, name: str, nameless: str) -> Model:
        missing = f'model "{name}" not found, try pulling it first' if name else nameless
        return self._inference.model(name, missing)


def _vector(model: Model, name: str, text: str) -> list[float]:
    dimension = int(model.architecture_value("embedding_length") or 1)
    return answers.embedding(name, text, dimension)
