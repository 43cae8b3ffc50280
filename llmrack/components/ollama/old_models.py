"""Models of an old Ollama, which llmrack's would not use."""

from __future__ import annotations

from collections.abc import Iterator

from llmrack.components.old_services.services import OldModels, old_services
from llmrack.components.ollama.models import GB
from llmrack.resources.look import Seen
from llmrack.stack.ollama.instances import models_folder
from llmrack.stack.settings import Settings


def left_aside(settings: Settings, seen: Seen) -> Iterator[str]:
    """For each Ollama that is to be replaced: its models, and the settings that use them."""
    services = old_services(seen)
    for entry in settings.replaces:
        service = services.get(entry)
        if service is None or service.models is None or service.is_replaced:
            continue
        old = service.models
        yield (
            f"{entry} has {old.size / GB:,.1f} GB of models in {old.folder}, which are left aside: "
            f"models are pulled anew to {models_folder(settings)}; to use them, "
            f"{_way_to_use(old, settings.service_user, seen)}"
        )


def _way_to_use(old: OldModels, user: str, seen: Seen) -> str:
    if old.user in ("", "root"):
        make = "" if user in seen.users else f"make the user {user} (useradd -m {user}), "
        return (
            f"stop it, {make}move them to a folder that {user} owns (mv, then chown -R {user}:), "
            "and set ollama_models to that folder"
        )
    values = [f'service_user = "{old.user}"', f'service_home = "{old.home}"']
    if old.folder != f"{old.home}/.ollama/models":
        values.append(f'ollama_models = "{old.folder}"')
    return f"set {', '.join(values)}"
