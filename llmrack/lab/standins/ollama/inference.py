"""``/api/chat``, ``/api/generate``, ``/api/embed`` and ``/api/embeddings``.

Order of checks and error messages are those of Ollama's ``server/routes.go``.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator

from . import answers
from .errors import ApiError
from .generation import Generation, collect_chat, collect_generate, final
from .model import Model
from .names import ModelName
from .scheduler import Scheduler
from .settings import parse_duration
from .store import Store
from .types import JsonObject

Answer = JsonObject | Iterator[JsonObject]


class Inference:
    """Answers requests with canned text.

    Args:
        store: the models.
        scheduler: loads them and limits the requests.
        token_interval: gives the seconds from one token of a model to the next.
    """

    def __init__(
        self, store: Store, scheduler: Scheduler, token_interval: Callable[[str], float]
    ) -> None:
        self._store = store
        self._scheduler = scheduler
        self._token_interval = token_interval

    def chat(self, body: JsonObject) -> Answer:
        """``POST /api/chat``: one object, or an iterator of them when ``stream`` is not false."""
        started = time.perf_counter_ns()
        name = body.get("model") or ""
        if not name:
            raise ApiError(400, "model is required")
        model = self._model(name, f"model '{name}' not found")
        keep_alive = keep_alive_of(body)
        messages = body.get("messages") or []
        if not isinstance(messages, list) or not all(isinstance(m, dict) for m in messages):
            raise ApiError(400, "json: cannot unmarshal messages: a list of objects is needed")
        empty = {"message": {"role": "assistant", "content": ""}}
        if not messages and keep_alive == 0:
            return self._unloaded(model, name, empty)
        wanted = ["completion", "tools"] if body.get("tools") else ["completion"]
        self._require(model, name, wanted, "chat", body)
        options = self._load(model, body, keep_alive)
        if not messages:
            return final(name, empty, "load")
        messages = [*model.messages, *messages]
        if model.system and messages[0].get("role") != "system":
            messages.insert(0, {"role": "system", "content": model.system})
        calls = []
        if body.get("tools") and messages[-1].get("role") == "user":
            calls = [answers.tool_call(name, body["tools"][0])]
        tokens = [] if calls else self._tokens(model, name, messages, options, body)
        generation = Generation(
            name=name,
            options=options,
            prompt_tokens=answers.count_tokens(messages),
            tokens=tokens,
            calls=calls,
            shape=lambda text: {"message": {"role": "assistant", "content": text}},
            started=started,
            token_interval=self._token_interval,
        )
        chunks = self._run(model, keep_alive, generation)
        return chunks if body.get("stream") is not False else collect_chat(chunks)

    def generate(self, body: JsonObject) -> Answer:
        """``POST /api/generate``: one object, or an iterator of them."""
        started = time.perf_counter_ns()
        name = body.get("model") or ""
        model = self._model(name, f"model '{name}' not found")
        keep_alive = keep_alive_of(body)
        prompt = body.get("prompt") or ""
        if not prompt and keep_alive == 0:
            return self._unloaded(model, name, {"response": ""})
        wanted = ["completion", "insert"] if body.get("suffix") else ["completion"]
        self._require(model, name, wanted, "generate", body)
        options = self._load(model, body, keep_alive)
        if not prompt:
            return final(name, {"response": ""}, "load")
        messages: list[JsonObject] = []
        system = body.get("system") or model.system
        if system and not body.get("raw"):
            messages.append({"role": "system", "content": system})
        messages.append({"role": "user", "content": prompt, "images": body.get("images")})
        generation = Generation(
            name=name,
            options=options,
            prompt_tokens=answers.count_tokens(messages),
            tokens=self._tokens(model, name, messages, options, body),
            calls=[],
            shape=lambda text: {"response": text},
            started=started,
            token_interval=self._token_interval,
        )
        chunks = self._run(model, keep_alive, generation)
        return chunks if body.get("stream") is not False else collect_generate(chunks)

    def embed(self, body: JsonObject) -> JsonObject:
        """``POST /api/embed``: unit vectors of the model's dimension."""
        name = body.get("model") or ""
        started = time.perf_counter_ns()
        inputs = body.get("input") or []
        inputs = [inputs] if isinstance(inputs, str) else inputs
        if not isinstance(inputs, list) or not all(isinstance(text, str) for text in inputs):
            raise ApiError(400, "invalid input type")
        model = self._model(name, f'model "{name}" not found, try pulling it first')
        options = self._load(model, body, keep_alive_of(body))
        loaded = time.perf_counter_ns()
        if not inputs:
            return {"model": name, "embeddings": []}
        counts = [max(1, len(answers.tokens_of(text))) for text in inputs]
        context = int(options["num_ctx"])
        if body.get("truncate") is False and max(counts) > context:
            raise ApiError(400, "the input length exceeds the context length")
        vectors = [self._vector(model, name, text) for text in inputs]
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
        name = body.get("model") or ""
        if not name:
            raise ApiError(400, "model is required")
        model = self._model(name, f'model "{name}" not found, try pulling it first')
        self._load(model, body, keep_alive_of(body))
        prompt = body.get("prompt") or ""
        return {"embedding": self._vector(model, name, prompt) if prompt else []}

    def _model(self, name: str, not_found: str) -> Model:
        try:
            parsed = ModelName.parse(name)
        except ValueError as error:
            if name:
                raise ApiError(400, str(error)) from None
            raise ApiError(404, not_found) from None
        try:
            return Model.read(self._store, self._store.manifest(parsed))
        except FileNotFoundError:
            raise ApiError(404, not_found) from None

    def _require(
        self, model: Model, name: str, wanted: list[str], purpose: str, body: JsonObject
    ) -> None:
        if body.get("think") not in (None, False):
            raise ApiError(400, f'"{name}" does not support thinking')
        missing = [each for each in wanted if each not in model.capabilities]
        if "completion" in missing:
            raise ApiError(400, f'"{name}" does not support {purpose}')
        if missing:
            raise ApiError(400, f"{model.manifest.name.full} does not support {missing[0]}")

    def _load(self, model: Model, body: JsonObject, keep_alive: float | None) -> JsonObject:
        """Load the model; returns the model's options overlaid by the request's."""
        options = {**model.parameters, **(body.get("options") or {})}
        options["num_ctx"] = self._scheduler.load(model, options, keep_alive)
        return options

    def _unloaded(self, model: Model, name: str, empty: JsonObject) -> JsonObject:
        self._scheduler.unload(model)
        return final(name, empty, "unload")

    def _tokens(
        self,
        model: Model,
        name: str,
        messages: list[JsonObject],
        options: JsonObject,
        body: JsonObject,
    ) -> list[str]:
        if body.get("format") not in (None, ""):
            return answers.json_answer(name, body["format"])
        # Ollama ignores images that are sent to a model without eyes.
        seen = messages if "vision" in model.capabilities else _without_images(messages)
        return answers.text_answer(name, seen, options)

    def _vector(self, model: Model, name: str, text: str) -> list[float]:
        dimension = int(model.architecture_value("embedding_length") or 1)
        return answers.embedding(name, text, dimension)

    def _run(
        self, model: Model, keep_alive: float | None, generation: Generation
    ) -> Iterator[JsonObject]:
        yield from generation.chunks()
        # Ollama counts from the end of the last request.
        self._scheduler.touch(model, keep_alive)


def _without_images(messages: list[JsonObject]) -> list[JsonObject]:
    return [{key: m[key] for key in m if key != "images"} for m in messages]


def keep_alive_of(body: JsonObject) -> float | None:
    """Seconds of a request's ``keep_alive``: a number, or a duration; negative is for ever.

    Raises:
        ApiError: 400, it is neither.
    """
    value = body.get("keep_alive")
    if value is None:
        return None
    try:
        seconds = parse_duration(value) if isinstance(value, str) else float(value)
    except (ValueError, TypeError) as error:
        raise ApiError(400, str(error)) from None
    return math.inf if seconds < 0 else seconds
