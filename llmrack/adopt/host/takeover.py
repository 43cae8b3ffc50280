"""The settings by which a host serves the models that an Ollama has, and what to run for that."""

from __future__ import annotations

from dataclasses import dataclass, field
from shlex import quote
from typing import Any

from pydantic import ValidationError

from llmrack.adopt.host.seen import ROOT, Models, Server
from llmrack.adopt.notes import Notes
from llmrack.stack.settings import Settings

# Where models go whose folder the service user may not enter.
NEW_FOLDER = "/var/lib/ollama-models"
_USER = Settings().service_user
_MAKE_USER = f"id -u {_USER} >/dev/null 2>&1 || useradd --create-home --shell /bin/bash {_USER}"
_GB = 1e9


@dataclass(frozen=True)
class Takeover:
    """How the models are taken over.

    + settings: of the host
    + commands: what root has to run on the host before the deploy, a line each
    """

    settings: dict[str, Any] = field(default_factory=dict)
    commands: tuple[str, ...] = ()


def takeover(server: Server, notes: Notes) -> Takeover:
    """The settings for an Ollama's user and its models."""
    if user := _service_user(server):
        return _as_the_same_user(server, user, notes)
    if not server.models.by_name:
        return Takeover()
    path, models = (server.label, "models"), server.models
    if not models.folder:
        runtime, _, name = server.label.partition(":")
        cause = f"they are in the container alone, and lost with it; {_room(server)}"
        notes.taken(path, f"ollama_models {NEW_FOLDER!r}: {cause}")
        return _new_folder(f"{runtime} cp {quote(f'{name}:{models.inner_folder}/.')} {NEW_FOLDER}/")
    source = quote(models.folder)
    place = _place(models)
    if place and not models.closed:
        notes.taken(path, f"ollama_models {models.folder!r}, once its files belong to {_USER}")
        return Takeover(place, (_MAKE_USER, f"chown -R {_USER}: {source}"))
    cause = f"only root may enter {models.closed}" if models.closed else "of the signs in its path"
    if models.is_beside:
        text = f"ollama_models {NEW_FOLDER!r}, by hard links, which need no room, because {cause}"
        notes.taken(path, text)
        return _new_folder(f"cp -al {source}/. {NEW_FOLDER}/")
    notes.taken(path, f"ollama_models {NEW_FOLDER!r}, as a copy, because {cause}; {_room(server)}")
    return _new_folder(f"cp -a {source}/. {NEW_FOLDER}/")


def _as_the_same_user(server: Server, user: dict[str, Any], notes: Notes) -> Takeover:
    """The services run as the user that Ollama had, which owns the models already."""
    name, home = user["service_user"], user["service_home"]
    text = f"service_user {name!r}, service_home {home!r}"
    notes.taken((server.label, "user"), f"{text}: no model is downloaded or copied")
    models, path = server.models, (server.label, "OLLAMA_MODELS")
    if not models.folder or models.folder.rstrip("/") == f"{home}/.ollama/models":
        return Takeover(user)
    place = _place(models)
    if place is None:
        way_out = "mount its folder at another path (mount --bind), and set ollama_models to that"
        notes.lost(path, f"llmrack takes no such path: {models.folder}", way_out)
        return Takeover(user)
    notes.taken(path, ", ".join(f"{key} {value!r}" for key, value in place.items()))
    return Takeover(user | place)


def _new_folder(copy: str) -> Takeover:
    """Models that are put into a folder of their own by a command."""
    make_folder, give = f"mkdir -p {NEW_FOLDER}", f"chown -R {_USER}: {NEW_FOLDER}"
    return Takeover({"ollama_models": NEW_FOLDER}, (_MAKE_USER, make_folder, copy, give))


def _room(server: Server) -> str:
    return f"the copy needs {server.models.size / _GB:.1f} GB"


def _service_user(server: Server) -> dict[str, Any]:
    """The user and the home of an Ollama, as settings; empty if services cannot have them."""
    if server.container or server.user in ("", ROOT) or not server.home:
        return {}
    settings = {"service_user": server.user, "service_home": server.home.rstrip("/")}
    return settings if _is_accepted(settings) else {}


def _place(models: Models) -> dict[str, Any] | None:
    """``ollama_models``, and where that is mounted; None for a path that is refused."""
    settings: dict[str, Any] = {"ollama_models": models.folder.rstrip("/")}
    if models.mount != "/":
        settings["ollama_models_mount"] = models.mount
    return settings if _is_accepted(settings) else None


def _is_accepted(settings: dict[str, Any]) -> bool:
    try:
        Settings.model_validate(settings)
    except ValidationError:
        return False
    return True
