"""Hosts that are deployed from a bundle: their settings, and models that it lacks."""

from __future__ import annotations

from dataclasses import replace

from llmrack.problems import Problem
from llmrack.stack.bundle import Bundle
from llmrack.stack.fleet import Fleet
from llmrack.stack.ollama_models import pulled_models
from llmrack.stack.schema import Stack


def from_bundle(fleet: Fleet, bundle: Bundle) -> Fleet:
    """The same hosts, with the bundle's release of Ollama and no other source of it."""
    settled = {
        "ollama_version": bundle.index.ollama_version,
        "ollama_sha256": bundle.index.ollama_sha256,
        "ollama_archive": None,
        "ollama_mirror": None,
    }
    return Fleet(
        tuple(
            replace(host, settings=host.settings.model_copy(update=settled), bundle=bundle)
            for host in fleet.hosts
        )
    )


def not_in_bundle(stack: Stack, fleet: Fleet, bundle: Bundle) -> list[Problem]:
    """A problem for each driver and model that hosts need and the bundle does not have."""
    problems = [
        Problem(
            "group_data",
            f"gpu_driver (host {host.name})",
            "fetches packages from the internet, and no bundle has them",
            "install the driver yourself and set gpu_driver = None, or deploy without a bundle",
        )
        for host in fleet.hosts
        if host.settings.gpu_driver
    ]
    declared = {name for host in fleet.hosts for name in pulled_models(stack, host)}
    return problems + [
        Problem(
            "group_data",
            "bundle",
            f"{bundle.folder} has no model {model}",
            "run `llmrack bundle create` again where there is internet",
        )
        for model in sorted(declared)
        if model not in bundle.index.models
    ]
