"""From the environment of an Ollama that runs to the settings of a host, variable by variable."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter, ValidationError

from llmrack.adopt.host.seen import Server
from llmrack.adopt.notes import Notes
from llmrack.shipped.gateway.misspelt import misspelt
from llmrack.stack.ollama_environment import ExtraName, OllamaEnvironment
from llmrack.stack.proxy_types import Exemptions, ProxyAddress

PROXY_LOGIN = "PROXY_LOGIN"
# Become other settings than a variable.
_PLACES = ("OLLAMA_HOST", "OLLAMA_MODELS", "HOME")
_PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY")
# What a host tells the values of.
VARIABLES = (
    *_PLACES,
    *OllamaEnvironment.model_fields,
    *(name.lower() for name in _PROXIES),
)
# What systemd, a login or an image sets of itself.
_USUAL = frozenset(
    (
        *("PATH", "LANG", "LANGUAGE", "USER", "LOGNAME", "SHELL", "PWD", "OLDPWD", "SHLVL", "TERM"),
        *("HOSTNAME", "TZ", "_", "INVOCATION_ID", "JOURNAL_STREAM", "SYSTEMD_EXEC_PID", "MAIL"),
        *("MEMORY_PRESSURE_WATCH", "MEMORY_PRESSURE_WRITE", "LD_LIBRARY_PATH", "MANAGERPID"),
        *("NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES", "DBUS_SESSION_BUS_ADDRESS"),
        *(
            "XDG_RUNTIME_DIR",
            "XDG_SESSION_ID",
            "XDG_SESSION_TYPE",
            "XDG_SESSION_CLASS",
            "container",
        ),
        *("XDG_DATA_DIRS", "SSH_CLIENT", "SSH_CONNECTION", "SSH_TTY", "SUDO_USER", "SUDO_UID"),
        *("SUDO_GID", "SUDO_COMMAND", "NOTIFY_SOCKET", "MANAGERPIDFDID"),
    )
)
# Beginnings of names that Ollama or one of its libraries may know.
_OF_OLLAMA = ("OLLAMA_", "GGML_", "LLAMA_", "CUDA_", "HIP_", "ROCR_", "HSA_", "MESA_", "VK_")
_ALWAYS_EXEMPT = ("localhost", "127.0.0.1", "::1")
_NAMES: TypeAdapter[str] = TypeAdapter(ExtraName)
_PROXY: TypeAdapter[str] = TypeAdapter(ProxyAddress)
_EXEMPT: TypeAdapter[tuple[str, ...]] = TypeAdapter(Exemptions)


def settings_of(server: Server, notes: Notes) -> dict[str, Any]:
    """The settings that the environment becomes, without those of ``_PLACES``."""
    environment: dict[str, Any] = {}
    for name, value in sorted(server.environment.items()):
        if name in _PLACES or name.upper() in _PROXIES:
            continue
        path = (server.label, name)
        try:
            environment[name] = _value(name, value)
        except ValidationError as error:
            cause = f"llmrack refuses its value ({error.errors()[0]['msg'].lower()})"
            notes.left_out(path, cause, "set it in ollama_environment as group_data/gpu.py says")
        else:
            notes.taken(path, f"{name} {environment[name]!r} in ollama_environment")
    settings = _proxies(server, notes)
    if environment:
        settings["ollama_environment"] = environment
    _note_names(server, notes)
    return settings


def _value(name: str, value: str) -> str | int | bool:
    """A variable's value as ``ollama_environment`` has it. Raises ValidationError."""
    given: str | int = value
    if name == "OLLAMA_DEBUG" and value.lower() in ("true", "false"):
        given = int(value.lower() == "true")
    checked: str | int | bool = getattr(OllamaEnvironment.model_validate({name: given}), name)
    return checked


def _proxies(server: Server, notes: Notes) -> dict[str, Any]:
    """The proxy between the host and the internet; a login stays out of the settings."""
    settings: dict[str, Any] = {}
    given = {name.upper(): (name, value) for name, value in server.environment.items()}
    if "HTTPS_PROXY" in given:
        name, value = given["HTTPS_PROXY"]
        try:
            settings["proxy"] = _PROXY.validate_python(value.replace("//@", "//"))
        except ValidationError as error:
            _lost_proxy(server, name, error, notes)
        else:
            text = f"proxy {settings['proxy']!r}, for all programs of llmrack's on the host"
            if "//@" in value:
                settings["proxy_login"] = PROXY_LOGIN
                text += f", and proxy_login; run `llmrack secrets set {PROXY_LOGIN}` with its login"
            notes.taken((server.label, name), text)
    if "HTTP_PROXY" in given:
        cause = "Ollama pulls models by HTTPS alone, and this may cut off its own client"
        notes.left_out((server.label, given["HTTP_PROXY"][0]), cause)
    if "NO_PROXY" in given:
        name, value = given["NO_PROXY"]
        try:
            exempt = [e for e in _EXEMPT.validate_python(value) if e not in _ALWAYS_EXEMPT]
        except ValidationError as error:
            _lost_proxy(server, name, error, notes)
        else:
            if exempt:
                settings["no_proxy"] = exempt
            notes.taken((server.label, name), f"no_proxy {exempt}; loopback is always exempt")
    return settings


def _lost_proxy(server: Server, name: str, error: ValidationError, notes: Notes) -> None:
    cause = error.errors()[0]["msg"].removeprefix("Value error, ")
    notes.lost((server.label, name), cause.replace("; ", ", "), "see docs/proxies.md")


def _note_names(server: Server, notes: Notes) -> None:
    """Note the variables whose values the host did not tell."""
    others = [name for name in server.names if name not in _USUAL]
    for name in (name for name in others if name.startswith(_OF_OLLAMA)):
        meant = misspelt(name, OllamaEnvironment.model_fields)
        way_out = (
            f"did you mean {meant}?"
            if meant
            else "put it into ollama_extra_environment if your Ollama knows it"
        )
        try:
            _NAMES.validate_python(name)
        except ValidationError as error:
            way_out = error.errors()[0]["msg"].removeprefix("Value error, ")
        notes.left_out((server.label, name), "llmrack does not know it", way_out)
    rest = [name for name in others if not name.startswith(_OF_OLLAMA)]
    if rest:
        cause = f"no setting of Ollama's server: {', '.join(rest)}"
        notes.left_out((server.label,), cause)
