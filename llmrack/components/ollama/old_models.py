"""Models of an old Ollama, which llmrack's would not use."""

from __future__ import annotations

from collections.abc import Iterator

from llmrack.components.old_services.services import OldModels, old_services
from llmrack.components.ollama.models import GB
from llmrack.resources.look import Seen
from llmrack.stack.fleet import Host
from llmrack.stack.ollama.instances import models_folder


def left_aside(host: Host, seen: Seen) -> Iterator[str]:
    """For each Ollama that is to be replaced: its models, and the settings that use them."""
    settings, services = host.settings, old_services(seen)
    for entry in settings.replaces:
        service = services.get(entry)
        if service is None or service.models is None or service.is_replaced:
            continue
        old = service.models
        yield (
            f"{entry} has {old.size / GB:,.1f} GB of models in {old.folder}, which are left aside: "
            f"models are pulled anew to {models_folder(settings)}; to use them, "
            f"{_way_to_use(old, host)}"
        )


def _way_to_use(old: OldModels, host: Host) -> str:
    if old.user in ("", "root"):
        user = host.settings.service_user
        return f"give them to {user}: `llmrack adopt {host.name}` prints the commands"
    values = [f'service_user = "{old.user}"', f'service_home = "{old.home}"']
    if old.folder != f"{old.home}/.ollama/models":
        values.append(f'ollama_models = "{old.folder}"')
    return f"set {', '.join(values)}"
