"""What the server does for each path: request body in, answer out; no HTTP in here."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from . import STANDIN_VERSION, messages, openai, openai_answers, responses, transcriptions
from .backstage import Backstage
from .create import create
from .embedding import Embedding
from .errors import ApiError
from .faults import Fault
from .generation import Whole
from .inference import Answer, Inference
from .model import Model
from .names import ModelName
from .pull import pull
from .references import DETAILS_UNAVAILABLE, MODEL_UNAVAILABLE, local_name, refuse_cloud
from .scheduler import Scheduler
from .settings import Settings
from .store import Store
from .types import JsonObject

Result = Answer | Iterator[str] | str | None
"""A JSON object, one that is still to be made, streams of them or of server-sent events, a text, or
nothing."""


@dataclass(frozen=True)
class Route:
    """What answers a path.

    Attributes:
        answer: gives the answer for a request's JSON body.
        inference: whether it counts against the queue and is subject to faults.
        cloud: what is unavailable of a model of Ollama Cloud; empty where it makes no difference.
        bodiless: whether the request needs no body.
    """

    answer: Callable[[JsonObject], Result]
    inference: bool = False
    cloud: str = ""
    bodiless: bool = False


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
        self._no_cloud = settings.no_cloud
        self._inference = Inference(self.store, self.scheduler, self.backstage)
        embedding = Embedding(self._inference)
        tags = Route(lambda _: self._tags())
        version = Route(lambda _: {"version": STANDIN_VERSION})
        running = Route(lambda _: "Ollama is running")
        self.table: dict[tuple[str, str], Route] = {
            ("GET", "/"): running,
            ("HEAD", "/"): running,
            ("GET", "/api/version"): version,
            ("HEAD", "/api/version"): version,
            ("GET", "/api/status"): Route(lambda _: self._status()),
            ("POST", "/api/me"): Route(_me, bodiless=True),
            ("GET", "/api/tags"): tags,
            ("HEAD", "/api/tags"): tags,
            ("GET", "/api/ps"): Route(lambda _: {"models": self.scheduler.running()}),
            ("POST", "/api/pull"): Route(self._pull),
            ("POST", "/api/push"): Route(_push),
            ("POST", "/api/show"): Route(self._show, cloud=DETAILS_UNAVAILABLE),
            ("POST", "/api/create"): Route(self._create),
            ("POST", "/api/copy"): Route(self._copy),
            ("DELETE", "/api/delete"): Route(self._delete),
            ("POST", "/api/chat"): _inferring(self._inference.chat),
            ("POST", "/api/generate"): _inferring(self._inference.generate),
            ("POST", "/api/embed"): _inferring(embedding.embed),
            ("POST", "/api/embeddings"): _inferring(embedding.embeddings),
            ("GET", "/v1/models"): Route(lambda _: openai_answers.model_list(self._tags())),
            ("POST", "/v1/chat/completions"): _inferring(self._v1_chat),
            ("POST", "/v1/completions"): _inferring(self._v1_completions),
            ("POST", "/v1/embeddings"): _inferring(
                lambda body: openai_answers.embedding_list(
                    embedding.embed(openai.embed_request(body)), body
                )
            ),
            ("POST", responses.PATH): _inferring(self._v1_responses),
            ("POST", messages.PATH): _inferring(self._v1_messages),
            ("POST", transcriptions.PATH): _inferring(self._v1_transcriptions),
        }

    def answer(self, route: Route, body: JsonObject) -> Result:
        """The answer to a request.

        Raises:
            ApiError: it is refused.
        """
        if route.cloud:
            self._refuse_cloud(body.get("model") or body.get("name"), route.cloud)
        return route.answer(body)

    def _refuse_cloud(self, name: object, operation: str) -> None:
        if isinstance(name, str):
            refuse_cloud(name, no_cloud=self._no_cloud, operation=operation)

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
                described = Model.read(self.store, self.store.manifest(ModelName.parse(model)))
                self.scheduler.load_slowly(
                    described, lambda: faults.wait(fault, client_left, fault.seconds)
                )
        return fault

    def _cool_down(self, fault: Fault) -> None:
        if fault.mode == "load":
            self.scheduler.unload_all()

    def v1_model(self, name: str) -> JsonObject:
        """The answer of ``GET /v1/models/<name>``."""
        self._refuse_cloud(name, DETAILS_UNAVAILABLE)
        return openai_answers.model_entry(name, self._show({"model": name})["modified_at"])

    def _status(self) -> JsonObject:
        source = "env" if self._no_cloud else "none"
        return {"cloud": {"disabled": self._no_cloud, "source": source}}

    def _tags(self) -> JsonObject:
        listings = []
        for manifest in self.store.manifests():
            # A model whose configuration is missing is left out of the list, as Ollama does.
            with contextlib.suppress(OSError):
                listings.append(Model.read(self.store, manifest).listing())
        return {"models": listings}

    def _show(self, body: JsonObject) -> JsonObject:
        name = _parsed(local_name(_given_name(body)))
        try:
            model = Model.read(self.store, self.store.manifest(name))
        except FileNotFoundError:
            raise ApiError(404, f"model '{name.short}' not found") from None
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

    def _v1_chat(self, body: JsonObject) -> Result:
        answer = self._inference.chat(openai.chat_request(body))
        return _converted(answer, body, openai_answers.chat_completion, openai_answers.chat_events)

    def _v1_completions(self, body: JsonObject) -> Result:
        answer = self._inference.generate(openai.generate_request(body))
        return _converted(answer, body, openai_answers.completion, openai_answers.completion_events)

    def _v1_responses(self, body: JsonObject) -> Result:
        answer = self._inference.chat(responses.chat_request(body))
        return _converted(
            answer, body, lambda whole: responses.response(whole, body), responses.events
        )

    def _v1_messages(self, body: JsonObject) -> Result:
        answer = self._inference.chat(messages.chat_request(body), relax_thinking=True)
        return _converted(answer, body, messages.message, messages.events)

    def _v1_transcriptions(self, form: JsonObject) -> Result:
        answer = self._inference.chat(transcriptions.chat_request(form))
        return _converted(answer, {}, transcriptions.transcription, openai_answers.chat_events)


def _inferring(answer: Callable[[JsonObject], Result]) -> Route:
    return Route(answer, inference=True, cloud=MODEL_UNAVAILABLE)


def _converted(
    answer: Answer,
    body: JsonObject,
    whole: Callable[[JsonObject], JsonObject],
    events: Callable[[Iterator[JsonObject], JsonObject], Iterator[str]],
) -> Result:
    """A native answer in another form: in one piece, or as events when the request wants a stream.

    A mere load is one object in any case; it counts no tokens.
    """
    if isinstance(answer, dict):
        chunks = iter([{"prompt_eval_count": 0, "eval_count": 0, **answer}])
        answer = chunks if body.get("stream") else Whole(chunks, next)
    return answer.then(whole) if isinstance(answer, Whole) else events(answer, body)


def _me(_: JsonObject) -> None:
    # Ollama asks https://ollama.com who is signed in; this one asks nobody.
    raise ApiError(503, "account unavailable")


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
