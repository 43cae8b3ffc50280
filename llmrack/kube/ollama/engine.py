"""What pods of Ollama run: a container that loads the models into the claim, then the server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from llmrack.components.ollama import internet
from llmrack.kube.engine import CLAIM, FILES, Answered, PodEngine
from llmrack.kube.ollama.modelfile import can_be_quoted, modelfile
from llmrack.observe.status.judging import loaded_of
from llmrack.resources.script import script_text
from llmrack.site.site import Site
from llmrack.stack.fleet import Host
from llmrack.stack.ollama.instances import instances
from llmrack.stack.ollama_models import engine_models
from llmrack.verify.exchange import dig
from llmrack.verify.ollama.declared import HAND_MADE

SCRIPTS = ("kube/ollama/load-models.sh", "kube/ollama/has-models.sh")


class OllamaPods(PodEngine):
    """Ollama's pods."""

    kind = "ollama"
    load = ("/bin/sh", f"{FILES}/load-models.sh")
    serve = ("ollama", "serve")
    alive = "/api/version"
    ready = ("/bin/sh", f"{FILES}/has-models.sh")

    def settings(self, version: str | None, with_gpus: bool) -> dict[str, Any]:
        """Network policies say who reaches a pod; its address is its own."""
        return {
            "ollama_bind": "0.0.0.0",  # noqa: S104
            "ollama_version": version or HAND_MADE,
            "gpu_required": with_gpus,
        }

    def problems(self, site: Site, pod: Host) -> Iterator[tuple[str, str]]:
        """A pod has no file of the machine that deploys, and its models are made by Modelfiles."""
        for model in engine_models(site.stack, pod):
            if model.create and model.create.files:
                yield (
                    f"{model.name} is made from a local file, which no pod has",
                    "serve it from a host, or push it to a registry and pull it from there",
                )
            elif model.create and not can_be_quoted(model.create):
                yield (
                    f"{model.name} has a text with three quotes in a row, or with one at its end",
                    "write other quotes: no Modelfile can have these",
                )

    def files(self, site: Site, pod: Host) -> Mapping[str, str]:
        """The list of models, a Modelfile for each that is made, and the scripts that read them."""
        lines, files = [], {}
        for number, model in enumerate(engine_models(site.stack, pod)):
            if model.create:
                files[f"modelfile-{number}"] = modelfile(model.create)
                lines.append(f"create {model.name} modelfile-{number} {model.create.digest}")
            else:
                lines.append(f"pull {model.name}")
        files["list"] = "".join(f"{line}\n" for line in lines)
        return files | {name.rpartition("/")[2]: script_text(name) for name in SCRIPTS}

    def environment(self, pod: Host) -> Mapping[str, str]:
        """As on hosts, but for its places."""
        (instance,) = instances(pod)
        return {
            **internet.variables(pod),
            **dict(instance.environment),
            "OLLAMA_HOST": f"0.0.0.0:{self.port(pod)}",
            "OLLAMA_MODELS": f"{CLAIM}/models",
        }

    def port(self, pod: Host) -> int:
        """Of the settings."""
        return pod.settings.ollama_port

    def ask(self, client: httpx.Client) -> Answered:
        """Its version, and /api/ps."""
        version = str(dig(client.get("/api/version").json(), "version"))
        return Answered(version, loaded_of(dig(client.get("/api/ps").json(), "models")))
