"""What a deploy has yet to put on a host's disks, summed before the first byte."""

from __future__ import annotations

from pathlib import Path

from llmrack.components.system import system
from llmrack.components.system.system import Need
from llmrack.deploy.run.rack import Rack
from llmrack.hosts.snapshot import ask_sizes, sizes_script
from llmrack.resources.change import Build, Pull
from llmrack.resources.downloads import variable_lines, with_variables
from llmrack.resources.releases import Archive, Venv

# An engine's archive unpacks to about four times its size (Ollama's: 1.1 GB, over 4 GiB).
UNPACKED = 4


def unfit_disks(rack: Rack) -> list[str]:
    """For each filesystem that cannot take what is to come, the reason."""
    blocked = system.read_only(rack.host, rack.seen, rack.all_changes)
    return blocked or system.short_of_disk(rack.seen, needs(rack))


def needs(rack: Rack) -> list[Need]:
    """Every larger thing to come; nothing is asked when nothing is missing."""
    resources = {each.name: each for part in rack.resources(rack.arch).values() for each in part}
    home, models = rack.host.settings.service_home, rack.models_folder
    found: list[Need] = []
    pulls: list[Pull] = []
    archives: dict[str, tuple[str, ...]] = {}
    for change in rack.all_changes:
        resource = resources[change.resource]
        if isinstance(resource, Archive):
            for source in resource.sources:
                if source.upload:
                    size = Path(source.upload).stat().st_size
                    found.append(Need("release", home, size * (UNPACKED + 1)))
                    found.append(Need("release on its way", system.UPLOADS, size))
                else:
                    archives[source.sha256] = source.urls
        elif isinstance(resource, Venv):
            found.append(Need("gateway", home, system.GATEWAY_DISK))
        for action in change.actions:
            if isinstance(action, Pull):
                pulls.append(action)
            elif isinstance(action, Build) and action.files:
                sizes = [(rack.run.folder / file).stat().st_size for file, _ in action.files]
                found.append(Need(action.model, models, sum(sizes)))
    bundle = rack.host.bundle
    if bundle:
        asked = {pull.model: bundle.model_size(pull.model) for pull in pulls}
    else:
        asked = _ask(rack, pulls, archives) if pulls or archives else {}
    found += [
        Need("release", home, asked.pop(digest) * (UNPACKED + 1))
        for digest in archives
        if digest in asked
    ]
    return [*found, *(Need(model, models, size) for model, size in asked.items())]


def _ask(rack: Rack, pulls: list[Pull], archives: dict[str, tuple[str, ...]]) -> dict[str, int]:
    """Sizes of what other hosts of the fleet have, and of the rest as its source tells them.

    + archives: URLs by the name under which the size is given
    """
    there = {
        name: seen.size for other in rack.run.racks.values() for name, seen in other.models.items()
    }
    sizes = {pull.model: there[pull.model] for pull in pulls if there.get(pull.model)}
    manifests = {pull.model: pull.manifest_url for pull in pulls if pull.model not in sizes}
    if manifests or archives:
        downloads = rack.host.downloads
        script = with_variables(downloads, sizes_script(manifests, archives))
        variables = variable_lines(downloads, rack.run.declared.secrets)
        sizes |= ask_sizes(rack.pyinfra_host, script, variables)
    return sizes
