"""The settings that the installed LiteLLM knows: fields of its models, keys that it looks up."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterable
from pathlib import Path

from .litellm_parts import (
    PACKAGE,
    ConfigGeneralSettings,
    LiteLLM_Params,
    Router,
    all_litellm_params,
    litellm,
)

PROXY = PACKAGE / "proxy/proxy_server.py"


def known_settings() -> dict[str, list[str]]:
    """Return the names of sections, of settings and of callbacks, by what takes them, sorted."""
    names = {
        "sections": top_level_keys(),
        "router_settings": set(Router.get_valid_args()),
        "litellm_settings": litellm_settings_keys(),
        "general_settings": general_settings_keys(),
        **callback_names(),
    }
    return {kind: sorted(of_kind) for kind, of_kind in names.items()}


def top_level_keys() -> set[str]:
    """Return the sections that LiteLLM's proxy reads."""
    return looked_up(r'\bconfig\.get\(\s*"(\w+)"', [PROXY])


def litellm_params_keys() -> set[str]:
    """Return the parameters of LiteLLM, of OpenAI's API and of Ollama's."""
    calls = (litellm.completion, litellm.embedding)
    accepted = {name for call in calls for name in inspect.signature(call).parameters}
    ollama = looked_up(r'optional_params\.pop\(\s*"(\w+)"', (PACKAGE / "llms/ollama").rglob("*.py"))
    ollama |= set(litellm.OllamaConfig.__annotations__)
    return accepted | ollama | set(LiteLLM_Params.model_fields) | set(all_litellm_params)


def litellm_settings_keys() -> set[str]:
    """Return the module's attributes that are settings, and the names handled apart from them.

    LiteLLM sets any attribute. A function or a class of that name would be lost.
    """
    pattern = r'(?:\bkey == |litellm_settings\.get\(\s*)"(\w+)"'
    plain = (type(None), bool, int, float, str, list, dict)
    attributes = {
        name
        for name, value in vars(litellm).items()
        if isinstance(value, plain) and name.islower() and not name.startswith("_")
    }
    return attributes | looked_up(pattern, [PROXY])


def general_settings_keys() -> set[str]:
    """Return the documented settings, and those that the proxy's source looks up."""
    pattern = r'general_settings(?:\.get\(|\[)\s*"(\w+)"'
    read = looked_up(pattern, (PACKAGE / "proxy").rglob("*.py"))
    return read | set(ConfigGeneralSettings.model_fields)


def callback_names() -> dict[str, set[str]]:
    """Return the names of LiteLLM's own callbacks, by the setting that takes them."""
    compared = r'\bcallback == "(\w+)"'
    generic = PACKAGE / "integrations/generic_api/generic_api_compatible_callbacks.json"
    # Classes that several settings take.
    loggers = set(litellm._known_custom_logger_compatible_callbacks)
    loggers |= set(json.loads(generic.read_text()))
    of_proxy = looked_up(compared, [PACKAGE / "proxy/common_utils/callback_utils.py"])
    of_requests = looked_up(compared, [PACKAGE / "litellm_core_utils/litellm_logging.py"])
    of_services = looked_up(compared, [PACKAGE / "_service_logger.py"])
    return {
        "callbacks": loggers | of_proxy,
        "success_callback": loggers | of_requests,
        "failure_callback": loggers | of_requests,
        "service_callback": of_services,
        "audit_log_callbacks": loggers,
    }


def looked_up(pattern: str, files: Iterable[Path]) -> set[str]:
    """Return what the group of `pattern` matches in source files."""
    names: set[str] = set()
    for file in files:
        names.update(re.findall(pattern, file.read_text(errors="replace")))
    return names
