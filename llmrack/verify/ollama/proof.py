"""The proof of an Ollama instance."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from llmrack.stack.instances import EngineModel, needs_gpu
from llmrack.stack.ollama_models import engine_models
from llmrack.verify.engine import EngineProof, Journal
from llmrack.verify.ollama.declared import prove_engine
from llmrack.verify.ollama.gate import loaded_models, prove_restarted
from llmrack.verify.ollama.residency import COMPUTE, SIGNS, judge_journal, prove_residency
from llmrack.verify.results import Result


class OllamaProof(EngineProof):
    """An Ollama instance that is asked."""

    def loaded(self) -> set[str]:
        """By /api/ps."""
        return loaded_models(self.client, self.name)

    def gate(self, models: Sequence[EngineModel]) -> list[Result]:
        """Its version, its models where they belong, and a short answer."""
        return prove_restarted(self.client, self.stack, self.host, self.instance, models)

    def proof(self, journal: Journal, progress: Callable[[str], None]) -> list[Result]:
        """Its version and models, its journal's word on cards, and each model loaded."""
        models = [model.name for model in engine_models(self.stack, self.host)]
        version = self.host.settings.ollama_version
        results = prove_engine(self.client, self.host.name, self.name, version, models)
        if not any(result.ok for result in results):
            return results
        if needs_gpu(self.host, self.instance):
            lines = journal((COMPUTE, *SIGNS))
            results.append(judge_journal(self.host, self.instance, lines))
        results += prove_residency(self.client, self.stack, self.host, self.instance, progress)
        return results
