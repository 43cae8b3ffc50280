"""Checks of ``litellm``: what would undo what llmrack promises, and secrets in plain text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

from llmrack.problems import CauseAndWayOut, Problem
from llmrack.shipped.gateway.misspelt import misspelt
from llmrack.stack.checks.secret_checks import missing_secret
from llmrack.stack.declaration import Declaration
from llmrack.stack.litellm import (
    CALLBACKS,
    ENDPOINTS,
    MAPPINGS,
    MODULE,
    NOT_OF_ROUTER,
    PROGRAM,
    REFERENCE,
    REFUSED,
    REFUSED_SECTIONS,
    ROUTER_SETTINGS,
    Path,
    named_secret,
    refused_variable,
    values,
)
from llmrack.stack.litellm_secrets import plain_secrets
from llmrack.stack.types import SECRET_NAME

# A list in which LiteLLM replaces references (process_slack_alerting_variables of 1.106.12).
_WEBHOOKS = ("general_settings", "alert_to_webhook_url")


def _problem(d: Declaration, path: Path, reason: CauseAndWayOut) -> Problem:
    whole = ("litellm", *path)
    return d.problem(".".join(whole), *reason, *whole)


def sections(d: Declaration) -> Iterator[Problem]:
    """Sections that a stack cannot have, and sections that are no mapping."""
    for name, section in d.stack.litellm.items():
        if name in REFUSED_SECTIONS:
            yield _problem(d, (name,), REFUSED_SECTIONS[name])
        elif name in MAPPINGS and not isinstance(section, dict):
            yield _problem(d, (name,), ("is not a mapping", "give keys with their values"))


def refused(d: Declaration) -> Iterator[Problem]:
    """Settings that would undo what llmrack promises."""
    for section, names in REFUSED.items():
        for name in _settings(d, section).keys() & names.keys():
            yield _problem(d, (section, name), names[name])
    for name in _settings(d, "router_settings"):
        if name not in ROUTER_SETTINGS:
            meant = misspelt(name, ROUTER_SETTINGS)
            unknown = ("is not known to LiteLLM", f"did you mean {meant!r}?")
            yield _problem(d, ("router_settings", name), unknown if meant else NOT_OF_ROUTER)


def variables(d: Declaration) -> Iterator[Problem]:
    """Environment variables that the gateway has from llmrack, or that would undo its promises."""
    of_providers = {
        secret: name for name, provider in d.stack.providers.items() for secret in provider.secrets
    }
    of_addresses = {
        variable: provider
        for provider, declared in d.stack.providers.items()
        for variable in declared.address_variables
    }
    for name, value in _settings(d, "environment_variables").items():
        path = ("environment_variables", name)
        if reason := refused_variable(name):
            yield _problem(d, path, reason)
        elif name in of_addresses:
            provider = of_addresses[name]
            cause = f"would send the requests for the provider {provider} to another address"
            yield _problem(d, path, (cause, "use url of the provider"))
        elif name in of_providers and named_secret(value) != name:
            cause = f"would replace the key of the provider {of_providers[name]}"
            yield _problem(d, path, (cause, f"leave it out, or write {REFERENCE}{name}"))
        elif isinstance(value, bool) or not isinstance(value, str | int | float):
            yield _problem(d, path, ("is not a text", 'put the value in quotes, as in "true"'))


def secrets(d: Declaration) -> Iterator[Problem]:
    """Secrets in plain text, and references to secrets that are not set, or not read."""
    for path in plain_secrets(d.stack.litellm):
        way_out = (
            f"write {REFERENCE}NAME in its place, and put the value where the other secrets "
            "are: llmrack secrets set NAME"
        )
        yield _problem(d, path, ("is a secret in plain text", way_out))
    for path, value in values(d.stack.litellm):
        name = named_secret(value)
        if name is None:
            continue
        if not SECRET_NAME.match(name):
            cause = "does not end in the name of a secret"
            yield _problem(d, path, (cause, f"it must match {SECRET_NAME.pattern}"))
        elif not _is_read(path, str(value)):
            cause = "has a secret where LiteLLM reads none"
            way_out = "give the reference as the whole value of a key, or leave it out"
            yield _problem(d, path, (cause, way_out))
        elif name == "LITELLM_MASTER_KEY":
            cause = "would show the gateway's own key to somebody else"
            yield _problem(d, path, (cause, "declare a secret of its own for this"))
        elif reason := missing_secret(d, name):
            yield _problem(d, path, reason)


def _is_read(path: Path, value: str) -> bool:
    """Whether LiteLLM replaces the reference in a value."""
    if path[:2] == ENDPOINTS and path[3:4] == ("headers",):
        # Here also at the end of a text, such as "Bearer os.environ/NAME".
        return True
    return value.startswith(REFERENCE) and (not path[-1].isdigit() or path[:2] == _WEBHOOKS)


def unwritable(d: Declaration) -> Iterator[Problem]:
    """Values that YAML has made something else of than a text."""
    for path, value in values(d.stack.litellm):
        if isinstance(value, date | bytes | set | tuple):
            yield _problem(d, path, (f"is a {type(value).__name__} to YAML", "put it in quotes"))


def modules(d: Declaration) -> Iterator[Problem]:
    """Callbacks, guardrails and targets that are Python modules of somebody else's."""
    settings = _settings(d, "litellm_settings")
    for name in settings.keys() & set(CALLBACKS):
        path, callbacks = ("litellm_settings", name), settings[name]
        if not isinstance(callbacks, list) or not all(
            isinstance(callback, str) for callback in callbacks
        ):
            yield _problem(d, path, ("is not a list of names", "write it as in [langfuse_otel]"))
            continue
        for index, callback in enumerate(callbacks):
            if "." in callback:
                yield _problem(d, (*path, str(index)), MODULE)


def guardrails(d: Declaration) -> Iterator[Problem]:
    """Guardrails without a name or a kind, twice the same, or of a Python module."""
    seen: set[str] = set()
    for index, guardrail in enumerate(_entries(d, "guardrails")):
        path = ("guardrails", str(index))
        params = guardrail.get("litellm_params") if isinstance(guardrail, dict) else None
        name = guardrail.get("guardrail_name") if isinstance(guardrail, dict) else None
        if not isinstance(name, str) or not isinstance(params, dict) or "guardrail" not in params:
            cause = "is no guardrail"
            yield _problem(
                d, path, (cause, "give it guardrail_name, and litellm_params with guardrail")
            )
            continue
        if name in seen:
            yield _problem(d, path, (f"has the name {name!r}, too", "choose another one"))
        seen.add(name)
        where = (*path, "litellm_params", "guardrail")
        if params["guardrail"] == "custom_code":
            yield _problem(d, where, PROGRAM)
        elif "." in str(params["guardrail"]):
            yield _problem(d, where, MODULE)


def programs(d: Declaration) -> Iterator[Problem]:
    """MCP servers that LiteLLM would have to start as programs."""
    for name, server in _settings(d, "mcp_servers").items():
        if not isinstance(server, dict):
            continue
        if server.get("transport") == "stdio" or "command" in server:
            setting = "command" if "command" in server else "transport"
            cause = "is a program on the gateway's host, which LiteLLM does not start"
            way_out = "run it as a server with HTTP, and give its url"
            yield _problem(d, ("mcp_servers", name, setting), (cause, way_out))


def pass_through(d: Declaration) -> Iterator[Problem]:
    """Pass-through endpoints that are open to everybody, or lead to a Python module."""
    for index, endpoint in enumerate(_entries(d, *ENDPOINTS)):
        path = (*ENDPOINTS, str(index))
        if not isinstance(endpoint, dict) or not isinstance(endpoint.get("path"), str):
            yield _problem(d, path, ("is no endpoint", "give it path, target and auth: true"))
            continue
        if endpoint.get("auth") is not True:
            # Without `auth` LiteLLM 1.106.12 asks for no key.
            cause = "lets everybody through who reaches the gateway, without a key"
            yield _problem(d, path, (cause, "add auth: true"))
        if not str(endpoint.get("target")).startswith(("http://", "https://")):
            cause = "is not an http:// or https:// address"
            yield _problem(d, (*path, "target"), (cause, "write the whole address"))


def _settings(d: Declaration, section: str) -> dict[str, Any]:
    settings = d.stack.litellm.get(section)
    return settings if isinstance(settings, dict) else {}


def _entries(d: Declaration, *path: str) -> Iterator[object]:
    """The entries of a list; none if it is no list."""
    value: object = d.stack.litellm
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    yield from value if isinstance(value, list) else []


RULES: tuple[Callable[[Declaration], Iterator[Problem]], ...] = (
    sections,
    refused,
    variables,
    secrets,
    unwritable,
    modules,
    guardrails,
    programs,
    pass_through,
)
