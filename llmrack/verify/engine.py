"""The proof that an Ollama instance is what is declared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx

from llmrack.verify.exchange import Bounds, ask, dig
from llmrack.verify.results import Failed, Result, one_line

# What a build made by hand calls itself (ollama/ollama version/version.go).
HAND_MADE = "0.0.0"
BOUNDS = Bounds(30, 30)


def prove_engine(
    client: httpx.Client, host: str, version: str, models: Sequence[str]
) -> list[Result]:
    """Ask Ollama for its version and its models.

    + client: with Ollama's address as ``base_url``
    + host: the host it runs on
    + version: the declared one; ``0.0.0`` stands for any build made by hand
    + models: upstream names that must be there; no tag means ``latest``
    """
    results = []
    for check, path in (("version", "/api/version"), ("models present", "/api/tags")):
        latency = None
        try:
            with ask(client, "GET", path, who=f"Ollama on {host}", bounds=BOUNDS) as answer:
                if answer.status != 200:
                    raise Failed(
                        f"{path} answers {answer.status}: {one_line(answer.text(), 120)}; "
                        "see its journal"
                    )
                data = answer.json()
                latency = answer.elapsed
            if check == "version":
                _check_version(data, version)
            else:
                _check_models(data, models)
            results.append(Result(host, "ollama", check, True, host, latency))
        except Failed as failed:
            results.append(
                Result(host, "ollama", check, False, host, latency, detail=failed.detail)
            )
    return results


def with_tag(name: str) -> str:
    """A model's name with the tag that Ollama assumes where there is none."""
    return name if ":" in name.rsplit("/", 1)[-1] else f"{name}:latest"


def _check_version(data: Any, declared: str) -> None:  # noqa: ANN401  (whatever the server sent)
    running = dig(data, "version")
    if running != declared and (declared != HAND_MADE or not running):
        raise Failed(
            f"version {one_line(str(running), 40)} runs, declared is {declared}; "
            "deploy again, so that it restarts with the declared release"
        )


def _check_models(data: Any, declared: Sequence[str]) -> None:  # noqa: ANN401  (as above)
    listed = dig(data, "models")
    names = [dig(each, "name") for each in listed] if isinstance(listed, list) else []
    present = {with_tag(name) for name in names if isinstance(name, str)}
    missing = [name for name in declared if with_tag(name) not in present]
    if missing:
        raise Failed(f"not there: {', '.join(missing)}; deploy again, so that they are pulled")
