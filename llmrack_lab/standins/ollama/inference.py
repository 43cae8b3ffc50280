"""``/api/chat`` and ``/api/generate``.

Order of checks and error messages are those of Ollama's ``server/routes.go``.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator

from . import answers, binding, runner_log
from .backstage import Backstage
from .context import Context
from .errors import ApiError, RunnerError
from .generation import Generation, Whole, collect_chat, collect_generate, final
from .logprobs import alternatives_of
from .media import check_images, images_of
from .model import Model
from .names import ModelName
from .options import merged
from .references import local_name
from .scheduler import Scheduler
from .settings import parse_duration
from .store import Store
from .thinking import check_think, thinking_level, wants_thinking
from .types import JsonObject, JsonValue
from .wanted_call import wanted_call

Answer = JsonObject | Whole | Iterator[JsonObject]


class Inference:
    """Answers requests with canned text.

    Args:
        store: the models.
        scheduler: loads them and limits the requests.
        backstage: says how fast they answer.
    """

    def __init__(self, store: Store, scheduler: Scheduler, backstage: Backstage) -> None:
        self._store = store
        self._scheduler = scheduler
        self._backstage = backstage

    def chat(self, body: JsonObject, *, relax_thinking: bool = False) -> Answer:
        """``POST /api/chat``.

        Args:
            body: the request.
            relax_thinking: let a model that cannot think answer without, as for Anthropic's form.

        Returns:
            one object, or an iterator of them when ``stream`` is not false.
        """
        started = time.perf_counter_ns()
        binding.bind(body, "ChatRequest", binding.CHAT)
        check_think(body.get("think"))
        images = images_of(body.get("messages") or [])
        keep_alive = keep_alive_of(body)
        alternatives = alternatives_of(body)
        name = body.get("model") or ""
        if not name:
            raise ApiError(400, "model is required")
        model = self.model(name, f"model '{name}' not found")
        messages = body.get("messages") or []
        if not messages and keep_alive == 0:
            return self._unloaded(model, name, _chat_shape("", ""))
        think = body.get("think")
        if relax_thinking and "thinking" not in model.capabilities:
            think = None
        wanted = ["completion", "tools"] if body.get("tools") else ["completion"]
        self._require(model, name, wanted, "chat", think)
        options = self.load(model, body, keep_alive)
        if not messages:
            return final(name, _chat_shape("", ""), "load")
        messages = [*model.messages, *messages]
        if model.system and messages[0].get("role") != "system":
            messages.insert(0, {"role": "system", "content": model.system})
        calls = []
        function, arguments = wanted_call(
            [tool["function"] for tool in body.get("tools") or []], messages
        )
        if function:
            calls = [answers.tool_call(name, {"function": function}, arguments)]
        check_images(images, sees="vision" in model.capabilities)
        messages, count = self._fitting(model, body, options, messages)
        generation = Generation(
            name=name,
            options=options,
            prompt_tokens=count,
            thinking=_thoughts(model, messages, think),
            tokens=[] if calls else _tokens(name, messages, options, body.get("format")),
            calls=calls,
            shape=_chat_shape,
            alternatives=alternatives,
            started=started,
            pace=self._backstage.pace(name),
        )
        return self._answer(model, keep_alive, generation, body, collect_chat)

    def generate(self, body: JsonObject) -> Answer:
        """``POST /api/generate``: one object, or an iterator of them."""
        started = time.perf_counter_ns()
        binding.bind(body, "GenerateRequest", binding.GENERATE)
        check_think(body.get("think"))
        images = images_of([body])
        keep_alive = keep_alive_of(body)
        alternatives = alternatives_of(body)
        name = body.get("model") or ""
        model = self.model(name, f"model '{name}' not found")
        prompt = body.get("prompt") or ""
        if not prompt and keep_alive == 0:
            return self._unloaded(model, name, _generate_shape("", ""))
        think = body.get("think")
        wanted = ["completion", "insert"] if body.get("suffix") else ["completion"]
        self._require(model, name, wanted, "generate", think)
        options = self.load(model, body, keep_alive)
        if not prompt:
            return final(name, _generate_shape("", ""), "load")
        messages: list[JsonObject] = []
        system = body.get("system") or model.system
        if system and not body.get("raw"):
            messages.append({"role": "system", "content": system})
        messages.append({"role": "user", "content": prompt, "images": body.get("images")})
        check_images(images, sees="vision" in model.capabilities)
        messages, count = self._fitting(model, body, options, messages)
        generation = Generation(
            name=name,
            options=options,
            prompt_tokens=count,
            thinking=_thoughts(model, messages, think),
            tokens=_tokens(name, messages, options, body.get("format")),
            calls=[],
            shape=_generate_shape,
            alternatives=alternatives,
            started=started,
            pace=self._backstage.pace(name),
        )
        return self._answer(model, keep_alive, generation, body, collect_generate)

    def model(self, name: str, not_found: str) -> Model:
        """The model of a name.

        Raises:
            ApiError: 404 with the text ``not_found``, or 400.
        """
        try:
            parsed = ModelName.parse(local_name(name))
        except ValueError as error:
            if name:
                raise ApiError(400, str(error)) from None
            raise ApiError(404, not_found) from None
        try:
            return Model.read(self._store, self._store.manifest(parsed))
        except FileNotFoundError:
            raise ApiError(404, not_found) from None

    def load(self, model: Model, body: JsonObject, keep_alive: float | None) -> JsonObject:
        """Load a model; returns its options overlaid by the request's, and the context.

        Raises:
            ApiError: 500, an option has a wrong type.
        """
        options = merged(model.parameters, body.get("options"))
        options["num_ctx"] = self._scheduler.load(model, options, keep_alive)
        return options

    def _require(
        self, model: Model, name: str, wanted: list[str], purpose: str, think: JsonValue
    ) -> None:
        if wants_thinking(think) and "thinking" not in model.capabilities:
            raise ApiError(400, f'"{name}" does not support thinking')
        missing = [capability for capability in wanted if capability not in model.capabilities]
        if "completion" in missing:
            raise ApiError(400, f'"{name}" does not support {purpose}')
        if missing:
            raise ApiError(400, f"{model.manifest.name.full} does not support {missing[0]}")

    def _fitting(
        self, model: Model, body: JsonObject, options: JsonObject, messages: list[JsonObject]
    ) -> tuple[list[JsonObject], int]:
        """What fits into the context of these messages, and how many tokens it has."""
        try:
            return Context.of(body, options, model.begins_prompts).fitting(messages)
        except RunnerError as error:
            runner_log.refused(error.reason)
            self._scheduler.complain(model)
            raise

    def _unloaded(self, model: Model, name: str, empty: JsonObject) -> JsonObject:
        self._scheduler.unload(model)
        return final(name, empty, "unload")

    def _answer(
        self,
        model: Model,
        keep_alive: float | None,
        generation: Generation,
        body: JsonObject,
        collect: Callable[[Iterator[JsonObject]], JsonObject],
    ) -> Answer:
        chunks = self._run(model, keep_alive, generation)
        return chunks if body.get("stream") is not False else Whole(chunks, collect)

    def _run(
        self, model: Model, keep_alive: float | None, generation: Generation
    ) -> Iterator[JsonObject]:
        for chunk in generation.chunks():
            yield chunk
        runner_log.answered(
            generation.options["num_ctx"],
            generation.prompt_tokens,
            chunk["eval_count"],
            chunk["eval_duration"] / 1e9,
        )
        # Ollama counts from the end of the last request.
        self._scheduler.touch(model, keep_alive)


def _chat_shape(text: str, thinking: str) -> JsonObject:
    message = {"role": "assistant", "content": text}
    return {"message": {**message, "thinking": thinking} if thinking else message}


def _generate_shape(text: str, thinking: str) -> JsonObject:
    return {"response": text, "thinking": thinking} if thinking else {"response": text}


def _thoughts(model: Model, messages: list[JsonObject], think: JsonValue) -> list[str]:
    if "thinking" not in model.capabilities:
        return []
    level = thinking_level(model.family, think)
    return [] if level is None else answers.thinking_text(level, messages)


def _tokens(
    name: str, messages: list[JsonObject], options: JsonObject, form: JsonValue
) -> list[str]:
    if form not in (None, ""):
        return answers.json_answer(name, form)
    return answers.text_answer(name, messages, options)


def keep_alive_of(body: JsonObject) -> float | None:
    """Seconds of a request's ``keep_alive``: a number, or a duration; negative is for ever.

    Raises:
        ApiError: 400, it is neither.
    """
    value = body.get("keep_alive")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        kinds = {bool: "bool", list: "[]interface {}", dict: "map[string]interface {}"}
        raise ApiError(400, f"Unsupported type: '{kinds[type(value)]}'")
    try:
        seconds = parse_duration(value) if isinstance(value, str) else float(value)
    except ValueError as error:
        raise ApiError(400, str(error)) from None
    return math.inf if seconds < 0 else seconds
