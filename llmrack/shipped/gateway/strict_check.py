"""Finds the mistakes in a LiteLLM configuration that LiteLLM itself ignores.

It runs in the environment that LiteLLM is installed in, with the gateway's environment variables
set. A problem names file, key path, cause and way out, and never a value, which may be a secret.
The known settings are those of the installed version (known_settings.py).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import yaml

from .known_settings import callback_names, known_settings, litellm_params_keys
from .litellm_parts import (
    BadRequestError,
    ConfiguredDeployment,
    ConfiguredModelInfo,
    ModelInfo,
    litellm,
)
from .misspelt import misspelt
from .routing.check import Config, Problem, callbacks

REFERENCE = "os.environ/"
# Providers that LiteLLM would show another one's key, from its environment.
SHOWN_OTHERS_KEYS = ("ollama", "ollama_chat", "openai", "hosted_vllm", None)
# Callbacks whose packages LiteLLM would fetch by itself, while it serves (litellm_logging.py and
# integrations/supabase.py of 1.106.12).
FETCHED = {"sentry": "sentry_sdk", "slack": "slack_bolt", "supabase": "supabase"}
VERSION = version("litellm")
SECONDS = {"timeout", "stream_timeout", "request_timeout", "cooldown_time"}
FALLBACKS = ("fallbacks", "context_window_fallbacks", "content_policy_fallbacks")


def mistakes_in(file: Path) -> list[str]:
    """The problems of a configuration file, a line for each one."""
    return [": ".join(part for part in (str(file), *problem) if part) for problem in check(file)]


def check(file: Path) -> Iterator[Problem]:
    """Yield every problem of a configuration file."""
    try:
        text = file.read_text()
        root = yaml.compose(text, yaml.SafeLoader)
        config = yaml.safe_load(text)
    except OSError as error:
        yield "", f"cannot be read ({error.strerror}); correct the path or its permissions"
        return
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        # The parser's own message may quote a secret.
        mark = getattr(error, "problem_mark", None)
        place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        yield "", f"is not valid YAML{place}; correct it, or quote the value there"
        return
    yield from duplicate_keys(root, "")
    if not isinstance(config, dict):
        yield "", "holds no settings; start with model_list:"
        return
    yield from unset_references(config, "", config.get("environment_variables") or {})
    deployments = config.get("model_list")
    if not isinstance(deployments, list) or not deployments:
        yield "model_list", "names no model, nothing would be served; list at least one"
        deployments = []
    for i, deployment in enumerate(deployments):
        yield from check_deployment(deployment, f"model_list[{i}]")
    names = {str(d.get("model_name")) for d in deployments if isinstance(d, dict)}
    router = config.get("router_settings")
    names |= set(router.get("model_group_alias") or {}) if isinstance(router, dict) else set()
    known = known_settings()
    yield from unknown_keys(config, "", set(known["sections"]))
    for section in ("router_settings", "litellm_settings", "general_settings"):
        settings = config.get(section) or {}
        if not isinstance(settings, dict):
            yield section, "is not a mapping; write `key: value` lines under it"
            continue
        yield from unknown_keys(settings, section, set(known[section]))
        yield from seconds_that_are_none(settings, section)
        yield from dangling_fallbacks(settings, section, names)
    yield from unknown_callbacks(config)
    yield from callbacks(config, file.parent)


def unknown_callbacks(config: Config) -> Iterator[Problem]:
    """Yield the callbacks that LiteLLM does not have; it would not start, or would ignore them."""
    settings = config.get("litellm_settings")
    # With `callback_type: generic_api` a callback has a name of the user's choice.
    chosen = set(config.get("callback_settings") or {})
    for kind, known in callback_names().items():
        named = settings.get(kind) if isinstance(settings, dict) else None
        for i, name in enumerate(named if isinstance(named, list) else []):
            path = f"litellm_settings.{kind}[{i}]"
            if "." not in str(name) and name not in known | chosen:
                near = misspelt(str(name), known)
                hint = f"did you mean {near}?" if near else "remove it"
                yield path, f"{name!r} is no callback of LiteLLM {VERSION} in {kind}; {hint}"
            elif name in FETCHED and find_spec(FETCHED[name]) is None:
                yield (
                    path,
                    f"{name!r} needs the Python package {FETCHED[name]}, which is not installed;"
                    " add it to templates/gateway/requirements.in, or remove the callback",
                )


def check_deployment(deployment: object, path: str) -> Iterator[Problem]:
    """Yield the problems of one entry of model_list."""
    if isinstance(deployment, dict):
        yield from unknown_keys(deployment, path, set(ConfiguredDeployment.model_fields))
    if not isinstance(deployment, dict) or not isinstance(deployment.get("litellm_params"), dict):
        yield path, "is no deployment; give it model_name and litellm_params"
        return
    if not deployment.get("model_name"):
        yield f"{path}.model_name", "is missing; name the model that clients ask for"
    info = deployment.get("model_info") or {}
    known = set(ConfiguredModelInfo.model_fields) | set(ModelInfo.__annotations__)
    yield from unknown_keys(info, f"{path}.model_info", known)
    params, path = deployment["litellm_params"], f"{path}.litellm_params"
    yield from unknown_keys(params, path, litellm_params_keys())
    yield from seconds_that_are_none(params, path)
    provider = provider_of(params)
    if provider is None:
        yield (
            f"{path}.model",
            (
                "starts with no provider that LiteLLM knows, the model would be dropped;"
                " write provider/model, such as ollama_chat/llama3.2"
            ),
        )
    base = str(params.get("api_base") or "").rstrip("/")
    if provider in ("ollama", "ollama_chat") and base.endswith(("/api", "/v1")):
        yield (
            f"{path}.api_base",
            (
                f"ends in /{base.rpartition('/')[2]}, LiteLLM appends /api/chat itself;"
                " give the address without a path"
            ),
        )
    if not params.get("api_key") and provider in SHOWN_OTHERS_KEYS:
        yield (
            f"{path}.api_key",
            (
                "is missing or empty, LiteLLM would send OLLAMA_API_KEY or OPENAI_API_KEY from its"
                " environment; set the server's own key, or the word none"
            ),
        )


def provider_of(params: Config) -> str | None:
    """Return LiteLLM's name of the provider that a deployment asks, None if it knows none."""
    litellm.suppress_debug_info = True
    try:
        _, provider, _, _ = litellm.get_llm_provider(
            str(params.get("model") or ""), params.get("custom_llm_provider")
        )
    except BadRequestError:
        return None
    return str(provider)


def duplicate_keys(node: yaml.Node | None, path: str) -> Iterator[Problem]:
    """Yield the keys that stand twice in one mapping: YAML's loader keeps the last one."""
    if isinstance(node, yaml.SequenceNode):
        for i, item in enumerate(node.value):
            yield from duplicate_keys(item, f"{path}[{i}]")
    if not isinstance(node, yaml.MappingNode):
        return
    lines: dict[str, int] = {}
    for key, value in node.value:
        place, line = join(path, key.value), key.start_mark.line + 1
        if key.value in lines:
            first = lines[key.value]
            yield place, f"stands in line {first} and again in line {line}; keep one of them"
        lines.setdefault(key.value, line)
        yield from duplicate_keys(value, place)


def unknown_keys(settings: Config, path: str, known: set[str]) -> Iterator[Problem]:
    """Yield the keys that the installed LiteLLM would ignore, with the nearest known one."""
    for key in settings:
        if key not in known:
            near = misspelt(str(key), known)
            hint = f"did you mean {near}?" if near else "remove it"
            yield join(path, key), f"is not known to LiteLLM {VERSION}, it would be ignored; {hint}"


def unset_references(value: object, path: str, declared: Config) -> Iterator[Problem]:
    """Yield the `os.environ/NAME` whose variable is not set, or is empty."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from unset_references(item, join(path, key), declared)
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from unset_references(item, f"{path}[{i}]", declared)
    elif isinstance(value, str) and value.startswith(REFERENCE):
        name = value.removeprefix(REFERENCE)
        if not os.environ.get(name) and not declared.get(name):
            yield path, f"refers to {name}, which is not set; add it to the environment file"


def seconds_that_are_none(settings: Config, path: str) -> Iterator[Problem]:
    """Yield the times that are no numbers."""
    for key in SECONDS & settings.keys():
        value = settings[key]
        reference = isinstance(value, str) and value.startswith(REFERENCE)
        if isinstance(value, bool) or not (isinstance(value, int | float) or reference):
            kind = type(value).__name__
            yield join(path, key), f"is a {kind}, not a number of seconds; write one, such as 60"


def dangling_fallbacks(settings: Config, path: str, names: set[str]) -> Iterator[Problem]:
    """Yield the fallbacks from or to a model that model_list does not have."""
    default = settings.get("default_fallbacks") or []
    pairs = [(f"{path}.default_fallbacks", default)]
    for kind in FALLBACKS:
        for i, entry in enumerate(settings.get(kind) or []):
            place = f"{path}.{kind}[{i}]"
            if not isinstance(entry, dict):
                yield place, "is no fallback; write `- model: [next, ...]`"
                continue
            # "*" stands for every model that has no entry of its own.
            pairs += [(place, [source]) for source in entry if source != "*"]
            pairs += [(join(place, source), targets or []) for source, targets in entry.items()]
    for place, models in pairs:
        for model in models if isinstance(models, list) else [models]:
            name = model.get("model") if isinstance(model, dict) else model
            if name not in names:
                near = misspelt(str(name), names)
                hint = f"did you mean {near}?" if near else "add it there, or remove it here"
                yield place, f"{name!r} is no model of model_list; {hint}"


def join(path: str, key: object) -> str:
    """Return the path of `key` under `path`."""
    return f"{path}.{key}" if path else str(key)
