"""What a deploy has yet to put on a host's disks, summed before the first byte."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from llmrack.components.ollama import ollama
from llmrack.components.ollama.models import CreatedModel, OllamaModel
from llmrack.components.system import system
from llmrack.components.system.system import Need
from llmrack.deploy.run.rack import Rack
from llmrack.hosts.snapshot import Sizes
from llmrack.resources.releases import Archive, Venv
from llmrack.stack.engines import models_folder

# Ollama's archive unpacks to about four times its size (1.1 GB, over 4 GiB).
UNPACKED = 4


def unfit_disks(rack: Rack) -> list[str]:
    """For each filesystem that cannot take what is to come, the reason."""
    blocked = system.read_only(rack.host, rack.seen, rack.all_changes)
    return blocked or system.short_of_disk(rack.seen, needs(rack))


def needs(rack: Rack) -> list[Need]:
    """Every larger thing to come; nothing is asked when nothing is missing."""
    coming = {change.resource for change in rack.all_changes}
    resources = [each for part in rack.resources(rack.arch).values() for each in part]
    due = [resource for resource in resources if resource.name in coming]
    settings = rack.host.settings
    home, models = settings.service_home, models_folder(settings)
    found = []
    pulls = [each.model for each in due if isinstance(each, OllamaModel)]
    archives: tuple[str, ...] = ()
    for each in due:
        if isinstance(each, Archive) and each.upload:
            size = Path(each.upload).stat().st_size
            found.append(Need("release", home, size * (UNPACKED + 1)))
            found.append(Need("release on its way", system.UPLOADS, size))
        elif isinstance(each, Archive):
            archives = ollama.archive_urls(rack.host, rack.arch)
        elif isinstance(each, CreatedModel):
            sizes = [(rack.run.folder / file).stat().st_size for file, _ in each.files]
            if sizes:
                found.append(Need(each.model, models, sum(sizes)))
        elif isinstance(each, Venv):
            found.append(Need("gateway", home, system.GATEWAY_DISK))
    bundle = rack.host.bundle
    if bundle:
        asked = {model: bundle.model_size(model) for model in pulls}
    else:
        asked = _ask(rack, pulls, archives) if pulls or archives else {}
    if "release" in asked:
        found.append(Need("release", home, asked.pop("release") * (UNPACKED + 1)))
    return [*found, *(Need(model, models, size) for model, size in asked.items())]


def _ask(rack: Rack, pulls: list[str], archives: tuple[str, ...]) -> dict[str, int]:
    """Sizes of what other hosts of the fleet have, and of the rest as its source tells them."""
    there = {
        name: seen.size for other in rack.run.racks.values() for name, seen in other.models.items()
    }
    sizes = {model: there[model] for model in pulls if there.get(model)}
    manifests = {model: ollama.manifest_url(model) for model in pulls if model not in sizes}
    if manifests or archives:
        asked: dict[str, Any] = rack.pyinfra_host.get_fact(
            Sizes, models=manifests, archives=archives, _sudo=rack.sudo
        )
        sizes |= asked
    return sizes
