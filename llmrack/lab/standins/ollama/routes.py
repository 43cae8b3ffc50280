"""What the server does for each path: request body in, answer out; no HTTP in here."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from . import STANDIN_VERSION, openai
from .backstage import Backstage
from .create import create
from .errors import ApiError
from .faults import Fault
from .inference import Answer, Inference
from .model import Model
from .names import ModelName
from .pull import pull
from .scheduler import Scheduler
from .settings import Settings
from .store import Store
from .types import JsonObject

Result = Answer | Iterator[str] | str | None
"""A JSON object, a stream of them, a stream of server-sent events, a text, or nothing."""


@dataclass(frozen=True)
class Route:
    """What answers a path.

    Attributes:
        answer: gives the answer for a request's JSON body.
        inference: whether it counts against the queue and is subject to faults.
    """

    answer: Callable[[JsonObject], Result]
    inference: bool = False


class Routes:
    """The paths of the API, for one models directory.

    Args:
        settings: as the environment gives them.
    """

    def __init__(self, settings: Settings) -> None:
        self.store = Store(settings.models)
        self.scheduler = Scheduler(settings)
        self.backstage = Backstage()
        self.backstage.followers.append(self._cool_down)
        self._inference = Inference(self.store, self.scheduler, self.backstage.token_interval)
        tags = Route(lambda _: self._tags())
        version = Route(lambda _: {"version": STANDIN_VERSION})
        running = Route(lambda _: "Ollama is running")
        self.table: dict[tuple[str, str], Route] = {
            ("GET", "/"): running,
            ("HEAD", "/"): running,
            ("GET", "/api/version"): version,
            ("HEAD", "/api/version"): version,
            ("GET", "/api/tags"): tags,
            ("HEAD", "/api/tags"): tags,
            ("GET", "/api/ps"): Route(lambda _: {"models": self.scheduler.running()}),
            ("POST", "/api/pull"): Route(self._pull),
            ("POST", "/api/push"): Route(_push),
            ("POST", "/api/show"): Route(self._show),
            ("POST", "/api/create"): Route(self._create),
            ("POST", "/api/copy"): Route(self._copy),
            ("DELETE", "/api/delete"): Route(self._delete),
            ("POST", "/api/chat"): Route(self._inference.chat, inference=True),
            ("POST", "/api/generate"): Route(self._inference.generate, inference=True),
            ("POST", "/api/embed"): Route(self._inference.embed, inference=True),
            ("POST", "/api/embeddings"): Route(self._inference.embeddings, inference=True),
            ("GET", "/v1/models"): Route(lambda _: openai.model_list(self._tags())),
            ("POST", "/v1/chat/completions"): Route(self._v1_chat, inference=True),
            ("POST", "/v1/completions"): Route(self._v1_completions, inference=True),
            ("POST", "/v1/embeddings"): Route(self._v1_embeddings, inference=True),
        }

    def suffer(self, route: Route, body: JsonObject, client_left: Callable[[], bool]) -> Fault:
        """Carry out the present fault before a request is answered; returns it, or NO_FAULT.

        Raises:
            ApiError: the fault is an error.
            ConnectionError: the client has left.
        """
        model, faults = str(body.get("model") or ""), self.backstage.faults
        fault = faults.striking(model, inference=route.inference)
        self.backstage.suffer(fault, client_left)
        if fault.mode == "missing" and model:
            raise ApiError(404, f"model '{model}' not found")
        if fault.mode == "load" and route.inference:
            with contextlib.suppress(ValueError, FileNotFoundError):  # the route says so better
                found = Model.read(self.store, self.store.manifest(ModelName.parse(model)))
                self.scheduler.load_slowly(
                    found, lambda: faults.wait(fault, client_left, fault.seconds)
                )
        return fault

    def _cool_down(self, fault: Fault) -> None:
        if fault.mode == "load":
            self.scheduler.unload_all()

    def v1_model(self, name: str) -> JsonObject:
        """The answer of ``GET /v1/models/<name>``."""
        return openai.model_entry(name, self._show({"model": name})["modified_at"])

    def _tags(self) -> JsonObject:
        found = []
        for manifest in self.store.manifests():
            # A model whose configuration is missing is left out of the list, as Ollama does.
            with contextlib.suppress(OSError):
                found.append(Model.read(self.store, manifest).listing())
        return {"models": found}

    def _show(self, body: JsonObject) -> JsonObject:
        name = _given_name(body)
        try:
            model = Model.read(self.store, self.store.manifest(_parsed(name)))
        except FileNotFoundError:
            raise ApiError(404, f"model '{name}' not found") from None
        return model.show(body.get("system") or "")

    def _pull(self, body: JsonObject) -> Answer:
        name = _parsed(body.get("model") or body.get("name") or "")
        lines = pull(self.store, self.store.existing(name), bool(body.get("insecure")))
        return _streamed(body, lines)

    def _create(self, body: JsonObject) -> Answer:
        return _streamed(body, create(self.store, body))

    def _copy(self, body: JsonObject) -> None:
        names = []
        for key in ("source", "destination"):
            try:
                names.append(ModelName.parse(body.get(key) or ""))
            except ValueError:
                raise ApiError(400, f'{key} "{body.get(key) or ""}" is invalid') from None
        try:
            self.store.copy(*names)
        except FileNotFoundError:
            raise ApiError(404, f'model "{body["source"]}" not found') from None

    def _delete(self, body: JsonObject) -> None:
        name = body.get("model") or body.get("name") or ""
        try:
            self.store.remove(_parsed(name))
        except FileNotFoundError:
            raise ApiError(404, f"model '{name}' not found") from None

    def _v1_chat(self, body: JsonObject) -> Answer | Iterator[str]:
        answer = self._inference.chat(openai.chat_request(body))
        if isinstance(answer, dict):
            return openai.chat_completion(answer)
        return openai.chat_events(answer, body)

    def _v1_completions(self, body: JsonObject) -> Answer | Iterator[str]:
        answer = self._inference.generate(openai.generate_request(body))
        if isinstance(answer, dict):
            return openai.completion(answer)
        return openai.completion_events(answer, body)

    def _v1_embeddings(self, body: JsonObject) -> JsonObject:
        return openai.embedding_list(self._inference.embed(openai.embed_request(body)), body)


def _push(_: JsonObject) -> None:
    raise ApiError(501, "push is not supported: this is a stand-in, not Ollama")


def _given_name(body: JsonObject) -> str:
    name = body.get("model") or body.get("name")
    if not name:
        raise ApiError(400, "model is required")
    return str(name)


def _parsed(name: str) -> ModelName:
    try:
        return ModelName.parse(name)
    except ValueError as error:
        raise ApiError(400, str(error) if name else "model is required") from None


def _streamed(body: JsonObject, lines: Iterator[JsonObject]) -> Answer:
    return lines if body.get("stream") is not False else list(lines)[-1]
