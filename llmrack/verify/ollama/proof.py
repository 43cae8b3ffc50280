"""The proof of an Ollama instance, and the gate of one that was started anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from llmrack.stack.instances import EngineModel, needs_gpu
from llmrack.stack.kinds import kind_of
from llmrack.stack.ollama_models import engine_models
from llmrack.verify.engine import EngineProof, Journal
from llmrack.verify.exchange import dig
from llmrack.verify.ollama.declared import ask_engine, prove_engine
from llmrack.verify.ollama.residency import (
    COMPUTE,
    PATIENT,
    SIGNS,
    judge_journal,
    prove_residency,
    prove_resident,
)
from llmrack.verify.results import Failed, Result

SHORT = {"prompt": "Say ok.", "stream": False, "options": {"num_predict": 8}}


class OllamaProof(EngineProof):
    """An Ollama instance that is asked."""

    def loaded(self) -> set[str]:
        """By /api/ps."""
        try:
            listed = dig(ask_engine(self.client, self.name, "/api/ps")[0], "models")
        except Failed:
            return set()
        return {str(dig(model, "name")) for model in listed} if isinstance(listed, list) else set()

    def gate(self, models: Sequence[EngineModel]) -> list[Result]:
        """Its version, its models where they belong, and a short answer of the first one."""
        results = self._declared(models)
        if not all(result.ok for result in results):
            return results
        results += [
            prove_resident(self.client, self.stack, self.host, self.instance, model)
            for model in models
        ]
        return results + [self._answers(model) for model in models[:1]]

    def proof(self, journal: Journal, progress: Callable[[str], None]) -> list[Result]:
        """Its version and models, its journal's word on cards, and each model loaded."""
        results = self._declared(engine_models(self.stack, self.host))
        if not any(result.ok for result in results):
            return results
        if needs_gpu(self.host, self.instance):
            lines = journal((COMPUTE, *SIGNS))
            results.append(judge_journal(self.host, self.instance, lines))
        results += prove_residency(self.client, self.stack, self.host, self.instance, progress)
        return results

    def _declared(self, models: Sequence[EngineModel]) -> list[Result]:
        version, names = self.host.settings.ollama_version, [model.name for model in models]
        return prove_engine(self.client, self.host.name, self.name, version, names)

    def _answers(self, model: EngineModel) -> Result:
        body: dict[str, object] = {"model": model.name}
        embeds = kind_of(self.stack.models[model.public[0]]) == "embedding"
        path = "/api/embed" if embeds else "/api/generate"
        body |= {"input": ["ok"]} if embeds else SHORT
        host, name = self.host.name, self.name
        try:
            _, latency = ask_engine(self.client, name, path, body, PATIENT)
        except Failed as failed:
            return Result(host, model.name, "answers", False, name, detail=failed.detail)
        return Result(host, model.name, "answers", True, name, latency)
