"""The gate of an Ollama instance that was started anew: does it serve as before?"""

from __future__ import annotations

from collections.abc import Sequence

import httpx

from llmrack.stack.fleet import Host
from llmrack.stack.instances import EngineModel, Instance, instance_name
from llmrack.stack.kinds import kind_of
from llmrack.stack.schema import Stack
from llmrack.verify.exchange import dig
from llmrack.verify.ollama.declared import ask_engine, prove_engine
from llmrack.verify.ollama.residency import PATIENT, prove_resident
from llmrack.verify.results import Failed, Result

SHORT = {"prompt": "Say ok.", "stream": False, "options": {"num_predict": 8}}


def loaded_models(client: httpx.Client, instance: str) -> set[str]:
    """The names of the models that an instance has loaded; none where it does not say so."""
    try:
        listed = dig(ask_engine(client, instance, "/api/ps")[0], "models")
    except Failed:
        return set()
    return {str(dig(each, "name")) for each in listed} if isinstance(listed, list) else set()


def prove_restarted(
    client: httpx.Client,
    stack: Stack,
    host: Host,
    instance: Instance,
    models: Sequence[EngineModel],
) -> list[Result]:
    """Ask for the version, load models where they belong, have the first one answer.

    + client: with the instance's address as ``base_url``
    + models: that it has; each is served under some public name
    """
    name = instance_name(host, instance)
    results = prove_engine(
        client, host.name, name, host.settings.ollama_version, [model.name for model in models]
    )
    if not all(result.ok for result in results):
        return results
    results += [prove_resident(client, stack, host, instance, model) for model in models]
    return results + [_answers(client, stack, host, name, model) for model in models[:1]]


def _answers(
    client: httpx.Client, stack: Stack, host: Host, instance: str, model: EngineModel
) -> Result:
    body: dict[str, object] = {"model": model.name}
    embeds = kind_of(stack.models[model.public[0]]) == "embedding"
    path = "/api/embed" if embeds else "/api/generate"
    body |= {"input": ["ok"]} if embeds else SHORT
    try:
        _, latency = ask_engine(client, instance, path, body, PATIENT)
    except Failed as failed:
        return Result(host.name, model.name, "answers", False, instance, detail=failed.detail)
    return Result(host.name, model.name, "answers", True, instance, latency)
