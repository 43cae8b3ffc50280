"""Finds contradictions between LiteLLM's config.yaml and the routing.json beside it.

A part of strict_check.py; nothing is started or asked.
"""

from __future__ import annotations

import ast
import json
import os
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROUTING = "routing.json"
CALLBACK = "gateway.hooks.routing"
Config = dict[str, Any]
Problem = tuple[str, str]  # key path; cause and way out


def callbacks(config: Config, folder: Path) -> Iterator[Problem]:
    """Yield the problems of ``litellm_settings.callbacks`` that name a module of ours.

    LiteLLM looks for ``module.name`` in the folder of its configuration; names without a dot are
    integrations of its own.
    """
    settings = config.get("litellm_settings")
    named = settings.get("callbacks") if isinstance(settings, dict) else None
    for i, callback in enumerate(named if isinstance(named, list) else []):
        module, _, name = str(callback).rpartition(".")
        if not module:
            continue
        path, file = f"litellm_settings.callbacks[{i}]", folder / f"{module.replace('.', '/')}.py"
        try:
            tree = ast.parse(file.read_bytes())
        except OSError as error:
            yield path, f"names {file.name}, which cannot be read ({error.strerror}); put it there"
            continue
        except SyntaxError as error:
            yield path, f"names {file.name}, which is not Python (line {error.lineno}); mend it"
            continue
        if name not in _names(tree):
            yield path, f"names {name!r}, which {file.name} does not have; correct the name"
        if callback == CALLBACK:
            yield from routing(config, folder)


def _names(tree: ast.Module) -> set[str]:
    """The names that a module imports from others, or assigns."""
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            names |= {name.asname or name.name for name in node.names}
        elif isinstance(node, ast.Assign):
            names |= {name.id for name in node.targets if isinstance(name, ast.Name)}
    return names


@dataclass(frozen=True)
class _Declared:
    """The part of routing.json that is checked.

    + ids: the instance of each deployment
    + groups: the members of each public name: deployments and other groups
    + variables: names of environment variables, by the instance that is sent their values
    + verify: of each instance: a file in the release, or whether its certificate is verified
    """

    ids: dict[str, str]
    groups: dict[str, list[str]]
    variables: dict[str, list[str]]
    verify: dict[str, object]


def _read(text: str) -> _Declared:
    declared = json.loads(text)
    instances: Config = declared["instances"]
    return _Declared(
        {name: deployment["instance"] for name, deployment in declared["deployments"].items()},
        {
            name: [*group["deployments"], *group["chain"]]
            for name, group in declared["groups"].items()
        },
        {name: list(instance["secrets"]) for name, instance in instances.items()},
        {name: instance["verify"] for name, instance in instances.items()},
    )


def routing(config: Config, folder: Path) -> Iterator[Problem]:
    """Yield the differences between routing.json and the configuration."""
    try:
        declared = _read((folder / ROUTING).read_text(encoding="utf-8"))
    except OSError as error:
        yield ROUTING, f"cannot be read ({error.strerror}); deploy the gateway again"
        return
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        yield ROUTING, f"is not what the gateway reads ({type(error).__name__}); deploy it again"
        return
    rows = [row for row in config.get("model_list") or [] if isinstance(row, dict)]
    configured = {str((row.get("model_info") or {}).get("id")) for row in rows}
    yield from _differences("deployments", set(declared.ids), configured)
    names = {str(row.get("model_name")) for row in rows}
    yield from _differences("groups", set(declared.groups), names)
    for name, instance in declared.ids.items():
        if instance not in declared.verify:
            yield f"{ROUTING}: deployments.{name}", f"there is no instance {instance!r}; add it"
    for name, members in declared.groups.items():
        for member in members:
            if member not in declared.ids and member not in declared.groups:
                yield f"{ROUTING}: groups.{name}", f"there is no {member!r}; add it, or remove it"
    for name, variables in declared.variables.items():
        for variable in variables:
            if variable and not os.environ.get(variable):
                text = f"refers to {variable}, which is not set; add it to the environment file"
                yield f"{ROUTING}: instances.{name}", text
    for name, verify in declared.verify.items():
        if isinstance(verify, str) and (reason := unusable(folder / verify)):
            text = f"names {verify}, which is no authority's certificate ({reason}); put it there"
            yield f"{ROUTING}: instances.{name}.verify", text


def _differences(section: str, declared: set[str], configured: set[str]) -> Iterator[Problem]:
    for name in sorted(declared ^ configured):
        lacking = "model_list" if name in declared else ROUTING
        yield f"{ROUTING}: {section}", f"{name!r} is missing in {lacking}; deploy the gateway again"


def unusable(file: Path) -> str:
    """Return why a PEM file cannot verify a certificate, else an empty text."""
    try:
        ssl.create_default_context(cafile=file)
    except ssl.SSLError:
        return "not PEM"
    except OSError as error:
        return str(error.strerror)
    return ""
