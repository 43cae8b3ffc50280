"""Which models count as loaded, for how long, and how many requests may run or wait."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from . import runner_log
from .errors import ApiError
from .gpu import Gpu
from .model import Model, timestamp
from .settings import Settings
from .types import JsonObject

# Go's time.Duration ends after 292 years; "for ever" is that far away.
_FOREVER_S = 292 * 365 * 86400.0
_LEAST_CONTEXT = 4
# A model with eyes has this at least (server/sched.go).
_LEAST_CONTEXT_WITH_IMAGES = 2048


@dataclass
class _Loaded:
    model: Model
    context_length: int
    size: int
    size_vram: int
    expires: float
    complained: bool = False


class Scheduler:
    """Keeps the list of loaded models and limits the requests.

    Args:
        settings: keep-alive, queue and context as the environment gives them.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._gpus: Sequence[Gpu] = ()
        self._loaded: dict[str, _Loaded] = {}
        self._loads: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()
        self._running = threading.Semaphore(settings.num_parallel)
        self._waiting = 0

    def use(self, gpus: Sequence[Gpu]) -> None:
        """Load models into the memory of these GPUs from now on, as long as they work."""
        self._gpus = gpus

    def load(self, model: Model, options: JsonObject, keep_alive: float | None) -> int:
        """Load a model, or keep it longer; returns its context length in tokens."""
        wanted = int(options.get("num_ctx") or self._settings.context_length)
        sees = "vision" in model.capabilities
        wanted = max(wanted, _LEAST_CONTEXT_WITH_IMAGES if sees else _LEAST_CONTEXT)
        trained = model.architecture_value("context_length")
        context = min(wanted, int(trained)) if trained else wanted
        # Weights and the cache of the context; the cache's size per token is a plausible invention.
        size = model.manifest.size + 1024 * context
        size_vram = self._size_vram(model, size, options)
        with self._lock:
            present = self._loaded.get(_key(model))
            # Models that share their weights are loaded once, under the name that came first.
            wanted_place = (context, size_vram)
            if present is None or (present.context_length, present.size_vram) != wanted_place:
                self._drop(model)
                self._loaded[_key(model)] = _Loaded(model, context, size, size_vram, 0.0)
                runner_log.loaded(model.gguf, model.metadata, context)
        self.touch(model, keep_alive)
        return context

    def _size_vram(self, model: Model, size: int, options: JsonObject) -> int:
        """How many bytes of a model lie in the memory of the GPUs; the rest is the processor's."""
        fitting = min(size, sum(gpu.available for gpu in self._gpus if gpu.works))
        layers = int(model.architecture_value("block_count") or 0) + 1
        offloaded = int(options.get("num_gpu", -1))
        if offloaded < 0:
            return fitting
        return min(fitting, size * min(offloaded, layers) // layers)

    def touch(self, model: Model, keep_alive: float | None) -> None:
        """Let a loaded model expire ``keep_alive`` seconds from now; 0 unloads it.

        None means the server's OLLAMA_KEEP_ALIVE.
        """
        seconds = self._settings.keep_alive if keep_alive is None else keep_alive
        with self._lock:
            loaded = self._loaded.get(_key(model))
            if loaded is not None:
                loaded.expires = time.time() + min(seconds, _FOREVER_S)

    def load_slowly(self, model: Model, wait: Callable[[], None]) -> None:
        """Load a model that is not loaded, which takes as long as ``wait``.

        As with Ollama (``server/sched.go``), ``/api/ps`` lists it from the beginning, others wait
        for the same load, and it is given up when the client leaves whose request began it.

        Raises:
            ConnectionError: that client has left.
        """
        with self._lock:
            turn = self._loads.setdefault(_key(model), threading.Lock())
        with turn:
            self.running()
            if _key(model) in self._loaded:
                return
            self.load(model, {}, None)
            try:
                wait()
            except ConnectionError:
                self.unload(model)
                raise

    def unload_all(self) -> None:
        """Unload every model at once."""
        with self._lock:
            self._keep(lambda _: False)

    def unload(self, model: Model) -> None:
        """Unload a model at once."""
        with self._lock:
            self._drop(model)

    def complain(self, model: Model) -> None:
        """Note that the process of a loaded model has written an error to the log."""
        with self._lock:
            if _key(model) in self._loaded:
                self._loaded[_key(model)].complained = True

    def _drop(self, model: Model) -> None:
        self._keep(lambda item: _key(item.model) != _key(model))

    def _keep(self, wanted: Callable[[_Loaded], bool]) -> None:
        for key, item in list(self._loaded.items()):
            if not wanted(item):
                del self._loaded[key]
                # Ollama kills the process, and finds that worth a word if it had complained.
                if item.complained:
                    runner_log.terminated()

    def running(self) -> list[JsonObject]:
        """The ``models`` of ``/api/ps``, the longest remaining first."""
        with self._lock:
            now = time.time()
            self._keep(lambda item: item.expires > now)
            items = sorted(self._loaded.values(), key=lambda item: item.expires, reverse=True)
        return [_entry(item) for item in items]

    @contextlib.contextmanager
    def slot(self) -> Iterator[None]:
        """Hold one of the OLLAMA_NUM_PARALLEL places; wait for it in the queue.

        Raises:
            ApiError: 503, OLLAMA_MAX_QUEUE requests wait already.
        """
        if not self._running.acquire(blocking=False):
            with self._lock:
                if self._waiting >= self._settings.max_queue:
                    # The two blanks are Ollama's (server/sched.go).
                    raise ApiError(
                        503, "server busy, please try again.  maximum pending requests exceeded"
                    )
                self._waiting += 1
            try:
                self._running.acquire()
            finally:
                with self._lock:
                    self._waiting -= 1
        try:
            yield
        finally:
            self._running.release()


def _key(model: Model) -> str:
    """What Ollama's scheduler tells loaded models apart by: the file with the weights."""
    return str(model.gguf)


def _entry(item: _Loaded) -> JsonObject:
    name = item.model.manifest.name.short
    return {
        "name": name,
        "model": name,
        "size": item.size,
        "digest": item.model.manifest.digest,
        "details": item.model.details,
        "expires_at": timestamp(item.expires),
        "size_vram": item.size_vram,
        "context_length": item.context_length,
    }
