"""Proves that models are loaded on their declared cards, and have their declared capabilities.

An Ollama that does not find its cards serves from the CPU and reports that only in its journal
(ollama/ollama#17290, #7669). So each model is loaded, and Ollama is asked where it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import httpx

from llmrack.stack.fleet import Host
from llmrack.stack.instances import EngineModel, Instance, instance_name, needs_gpu
from llmrack.stack.kinds import kind_of
from llmrack.stack.models import Model
from llmrack.stack.ollama_models import engine_models
from llmrack.stack.schema import Stack
from llmrack.verify.exchange import Bounds, dig, whole_number
from llmrack.verify.model_descriptions import CAPABILITIES
from llmrack.verify.ollama.declared import QUICK, ask_engine
from llmrack.verify.results import Failed, Result, one_line

# Loading: Ollama itself gives up after OLLAMA_LOAD_TIMEOUT (5 min) without progress.
PATIENT = Bounds(600, 600)
# Raw: without a template every model continues the sequence.
MEASURED = {
    "prompt": "one two three four five six seven eight nine ten eleven twelve",
    "raw": True,
    "stream": False,
    "options": {"num_predict": 32},
}
# Ollama's words at its start for a card that it skips, and for no card (discover/types.go and
# discover/cuda_compat.go). "offloaded 0/33 layers" is no such sign: a load that ends with all
# layers on a card may begin with it (llm/llama_server_test.go).
SIGNS = ("NVIDIA driver too old", "library=cpu")
# Its line about each card, and about having none.
COMPUTE = "inference compute"


def prove_residency(
    client: httpx.Client,
    stack: Stack,
    host: Host,
    instance: Instance,
    progress: Callable[[str], None],
) -> list[Result]:
    """Load each model of an instance; check its place, its capabilities and its speed.

    + client: with the instance's address as ``base_url``
    + progress: is called with a text before each model
    """
    results: list[Result] = []
    for engine in engine_models(stack, host):
        for public in engine.public:
            served = _Served(client, host, instance, engine, public, stack.models[public])
            progress(f"loading {public} on {served.instance_name}")
            results += served.results()
    return results


def prove_resident(
    client: httpx.Client, stack: Stack, host: Host, instance: Instance, engine: EngineModel
) -> Result:
    """Load one model, by its first public name, and check its place."""
    public = engine.public[0]
    return _Served(client, host, instance, engine, public, stack.models[public]).resident()


def judge_journal(host: Host, instance: Instance, lines: Sequence[str]) -> Result:
    """Whether the journal of an instance since its start reports trouble with its cards.

    + lines: those with COMPUTE or one of SIGNS; empty if it no longer reaches back to the start
    """
    name = instance_name(host, instance)
    complaint = next((line for sign in SIGNS for line in lines if sign in line), None)
    if not complaint:
        detail = f"cards in use: {len(lines)}" if lines else "no longer reaches back to its start"
        return Result(host.name, "ollama", "journal", True, name, detail=detail)
    detail = (
        f"it started without a card that it should use; `llmrack status --gpus`, or `nvidia-smi` "
        f"in a pod, says what is wrong, restart it when that is mended. Its journal: "
        f"{one_line(complaint)}"
    )
    return Result(host.name, "ollama", "journal", False, name, detail=detail)


@dataclass(frozen=True)
class _Served:
    """A model as an instance serves it under one public name."""

    client: httpx.Client
    host: Host
    instance: Instance
    engine: EngineModel
    public: str
    declared: Model

    @property
    def instance_name(self) -> str:
        return instance_name(self.host, self.instance)

    def results(self) -> Iterator[Result]:
        resident = self.resident()
        yield resident
        yield self._result("capabilities", self._capabilities)
        # A model in the wrong place is slow anyway.
        if self.declared.min_tokens_per_second and resident.ok:
            yield self._result("speed", self._speed)

    def resident(self) -> Result:
        return self._result("resident", self._resident)

    def _result(self, check: str, run: Callable[[], tuple[str, float | None]]) -> Result:
        """Run a check, which returns a detail and tokens/s; its failure is a result, too."""
        ok, rate = True, None
        try:
            detail, rate = run()
        except Failed as failed:
            ok, detail = False, failed.detail
        return Result(
            self.host.name,
            self.public,
            check,
            ok,
            self.instance_name,
            tokens_per_second=rate,
            detail=detail,
        )

    def _resident(self) -> tuple[str, None]:
        """The model's place and context. Raises Failed if these are not as declared."""
        shown = self._show(self.engine.name)
        entry = self._load(shown)
        size, on_gpu = whole_number(entry, "size"), whole_number(entry, "size_vram")
        place = f"{on_gpu * 100 // size}% GPU" if on_gpu and size else "100% CPU"
        if needs_gpu(self.host, self.instance):
            if not on_gpu:
                raise Failed(
                    "runs on the CPU; `llmrack status --gpus`, or `nvidia-smi` in a pod, says "
                    "whether the cards and their driver are well, the instance's journal why they "
                    "are not used; restart it when they are, or declare a box without GPU with "
                    "`gpu_required = False`, and pods without `gpus`" + _rocm_hint(self.host)
                )
            if on_gpu < size and not self.declared.gpu_split:
                raise Failed(
                    f"{place}, the rest runs on the CPU; free the cards' memory (`nvidia-smi` "
                    "shows who uses it), choose a smaller model or context, or allow it with "
                    f"models.{self.public}.gpu_split"
                )
        return f"{place}, context {self._context(shown, entry)}", None

    def _load(self, shown: object) -> object:
        """Load the model; returns its entry in ``/api/ps``. Raises Failed."""
        # Without a prompt it is only loaded.
        path, body = "/api/generate", dict[str, object](model=self.engine.name, stream=False)
        if kind_of(self.declared) == "embedding":
            path, body["input"] = "/api/embed", []
        if not re.search(r"[1-9]", self._environment.get("OLLAMA_KEEP_ALIVE", "5m")):
            # Else it would be unloaded before /api/ps is asked.
            body["keep_alive"] = "10s"
        self._ask(path, body, PATIENT)
        listed = dig(self._ask("/api/ps"), "models")
        loaded = listed if isinstance(listed, list) else []
        entry = next((model for model in loaded if dig(model, "name") == self.engine.name), None)
        # Ollama loads models with the same weights and options once, under the first name. It
        # distinguishes models by the file of the weights (server/sched.go, schedulerModelKey),
        # which /api/show names.
        entry = entry or next((model for model in loaded if self._shares(model, shown)), None)
        if entry is None:
            raise Failed(
                "was unloaded again at once: other models took its place; prove it again when "
                "less is asked, or see whether OLLAMA_MAX_LOADED_MODELS can be higher"
            )
        return entry

    def _shares(self, entry: object, shown: object) -> bool:
        weights = _weights(shown)
        return bool(weights) and weights == _weights(self._show(str(dig(entry, "name"))))

    def _context(self, shown: object, entry: object) -> int:
        """The context in tokens that it is loaded with. Raises Failed if that is too small."""
        declared = self.engine.create.parameters.num_ctx if self.engine.create else None
        info = dig(shown, "model_info")
        trained = whole_number(info, f"{dig(info, 'general.architecture')}.context_length")
        if declared and trained and declared > trained:
            raise Failed(
                f"a context of {declared} tokens is declared, but it was trained for {trained} "
                f"and gets no more; correct models.{self.public}"
            )
        baked = re.search(r"^num_ctx\s+(\d+)", str(dig(shown, "parameters") or ""), re.MULTILINE)
        default = self._environment["OLLAMA_CONTEXT_LENGTH"]
        wanted = declared or int(baked[1] if baked else default)
        loaded = whole_number(entry, "context_length")
        # Ollama's limit is the context that the model was trained for (llm/server.go).
        if loaded < min(wanted, trained or wanted):
            raise Failed(
                f"is loaded with a context of {loaded} tokens, not {wanted}; deploy again, so "
                "that the instance starts with the declared environment"
            )
        return loaded

    def _capabilities(self) -> tuple[str, None]:
        listed = dig(self._show(self.engine.name), "capabilities")
        offered = [str(capability) for capability in listed] if isinstance(listed, list) else []
        missing = [
            capability
            for capability in self.declared.capabilities
            if CAPABILITIES[capability] not in offered
        ]
        if missing:
            raise Failed(
                f"declared is {', '.join(missing)}, but what Ollama says it can do is "
                f"{one_line(', '.join(offered)) or 'nothing'}; choose a model that can, or correct "
                f"models.{self.public}.capabilities"
            )
        return ", ".join(offered), None

    def _speed(self) -> tuple[str, float]:
        floor, rate = self.declared.min_tokens_per_second or 0, 0.0
        # The first answer after a load may be slow.
        for _ in range(2):
            body = {"model": self.engine.name, **MEASURED}
            rate = max(rate, _rate(self._ask("/api/generate", body, PATIENT)))
            if rate >= floor:
                return f"{rate:.1f} tokens/s", rate
        raise Failed(
            f"{rate:.1f} tokens/s, declared are at least {floor:g}; `nvidia-smi` shows who else "
            "uses the card and whether it is throttled; mend that or lower "
            f"models.{self.public}.min_tokens_per_second"
        )

    def _show(self, name: str) -> object:
        return self._ask("/api/show", {"model": name})

    def _ask(
        self,
        path: str,
        body: Mapping[str, object] | None = None,
        bounds: Bounds = QUICK,
    ) -> object:
        data, _ = ask_engine(self.client, self.instance_name, path, body, bounds)
        return data

    @property
    def _environment(self) -> dict[str, str]:
        return dict(self.instance.environment)


def _rocm_hint(host: Host) -> str:
    """What else may be wrong with a card of AMD's, to end a sentence with."""
    if not host.rocm:
        return ""
    current = f"{host.settings.service_home}/.local/opt/ollama/current"
    return (
        f". A card of AMD's also needs ROCm's libraries in {current}/lib/ollama/rocm_v*: if they "
        f"are missing, remove {current}/RELEASE, deploy, and restart the instance"
    )


def _weights(shown: object) -> str:
    """The file of the weights, by the Modelfile in an answer of ``/api/show``."""
    line = re.search(r"^FROM (.+)$", str(dig(shown, "modelfile") or ""), re.MULTILINE)
    return line[1] if line else ""


def _rate(answer: object) -> float:
    """Tokens per second of a generation; ``eval_duration`` is in ns. Raises Failed."""
    tokens, duration = whole_number(answer, "eval_count"), whole_number(answer, "eval_duration")
    if not (tokens and duration):
        raise Failed("Ollama's answer has no eval_count and eval_duration; see its journal")
    return tokens / duration * 1e9
