"""Proves that an Ollama has the declared version and models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from llmrack.stack.ollama.names import normalised
from llmrack.verify.exchange import Answer, Bounds, Request, ask, dig, parse
from llmrack.verify.results import Failed, Result, one_line

# What a build made by hand calls itself (ollama/ollama version/version.go).
HAND_MADE = "0.0.0"
# For answers that need no model.
QUICK = Bounds(30, 30)


def prove_engine(
    client: httpx.Client, host: str, instance: str, version: str, models: Sequence[str]
) -> list[Result]:
    """Ask Ollama for its version and its models.

    + client: with Ollama's address as ``base_url``
    + host: the host it runs on
    + instance: the instance, as reports call it
    + version: the declared one; ``0.0.0`` stands for any build made by hand
    + models: upstream names that must be there; no tag means ``latest``
    """
    results = []
    for check, path in (("version", "/api/version"), ("models present", "/api/tags")):
        latency = None
        try:
            data, latency = ask_engine(client, instance, path)
            if check == "version":
                _check_version(data, version)
            else:
                _check_models(data, models)
            results.append(Result(host, "ollama", check, True, instance, latency))
        except Failed as failed:
            results.append(
                Result(host, "ollama", check, False, instance, latency, detail=failed.detail)
            )
    return results


def ask_engine(
    client: httpx.Client,
    instance: str,
    path: str,
    body: Mapping[str, object] | None = None,
    bounds: Bounds = QUICK,
) -> tuple[Any, float]:
    """Ollama's answer (JSON), and the seconds that it took.

    Raises Failed, with Ollama's own message if it refuses.
    """
    who = f"Ollama on {instance}"
    with ask(client, Request(path, body), who, bounds) as answer:
        if answer.status != 200:
            raise Failed(
                f"{path} answers {answer.status}: {one_line(_error(answer), 200)}; see its journal"
            )
        return answer.json(), answer.elapsed


def _error(answer: Answer) -> str:
    text = answer.text()
    try:
        return str(dig(parse(text, answer.who), "error") or text)
    except Failed:
        return text


def _check_version(data: Any, declared: str) -> None:  # noqa: ANN401  (whatever the server sent)
    running = dig(data, "version")
    if running != declared and (declared != HAND_MADE or not running):
        raise Failed(
            f"version {one_line(str(running), 40)} runs, declared is {declared}; "
            "deploy again, so that it restarts with the declared release"
        )


def _check_models(data: Any, declared: Sequence[str]) -> None:  # noqa: ANN401  (as above)
    listed = dig(data, "models")
    names = [dig(model, "name") for model in listed] if isinstance(listed, list) else []
    present = {normalised(name) for name in names if isinstance(name, str)}
    missing = [name for name in declared if normalised(name) not in present]
    if missing:
        raise Failed(f"not there: {', '.join(missing)}; deploy again, so that they are pulled")
