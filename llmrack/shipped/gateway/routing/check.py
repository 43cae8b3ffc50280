"""Find what does not fit between LiteLLM's config.yaml and the routing.json beside it.

A part of strict_check.py; nothing is started or asked.
"""

from __future__ import annotations

import ast
import json
import os
import ssl
from collections.abc import Iterator
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
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            found |= {each.asname or each.name for each in node.names}
        elif isinstance(node, ast.Assign):
            found |= {each.id for each in node.targets if isinstance(each, ast.Name)}
    return found


def routing(config: Config, folder: Path) -> Iterator[Problem]:
    """Yield what routing.json lacks of the configuration, or has beyond it."""
    try:
        declared = json.loads((folder / ROUTING).read_text(encoding="utf-8"))
        instances: Config = declared["instances"]
        groups: Config = declared["groups"]
        its: Config = declared["deployments"]
        used = {name: each["instance"] for name, each in its.items()}
        listed = {name: [*each["deployments"], *each["chain"]] for name, each in groups.items()}
        wanted = {
            name: [each["key"], *each["secret_headers"].values()]
            for name, each in instances.items()
        }
        authorities = {name: each["verify"] for name, each in instances.items()}
    except OSError as error:
        yield ROUTING, f"cannot be read ({error.strerror}); deploy the gateway again"
        return
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        yield ROUTING, f"is not what the gateway reads ({type(error).__name__}); deploy it again"
        return
    rows = [row for row in config.get("model_list") or [] if isinstance(row, dict)]
    ids = {str((row.get("model_info") or {}).get("id")) for row in rows}
    names = {str(row.get("model_name")) for row in rows}
    for where, ours, theirs in (
        (f"{ROUTING}: deployments", set(its), ids),
        (f"{ROUTING}: groups", set(groups), names),
    ):
        for name in sorted(ours ^ theirs):
            lacking = "model_list" if name in ours else "routing.json"
            yield where, f"{name!r} is missing in {lacking}; deploy the gateway again"
    for name, instance in used.items():
        if instance not in instances:
            yield f"{ROUTING}: deployments.{name}", f"there is no instance {instance!r}; add it"
    for name, members in listed.items():
        for member in members:
            if member not in its and member not in groups:
                yield f"{ROUTING}: groups.{name}", f"there is no {member!r}; add it, or remove it"
    for name, variables in wanted.items():
        for variable in variables:
            if variable and not os.environ.get(variable):
                text = f"refers to {variable}, which is not set; add it to the environment file"
                yield f"{ROUTING}: instances.{name}", text
    for name, verify in authorities.items():
        if isinstance(verify, str) and (reason := unusable(folder / verify)):
            text = f"names {verify}, which is no authority's certificate ({reason}); put it there"
            yield f"{ROUTING}: instances.{name}.verify", text


def unusable(file: Path) -> str:
    """Return why a PEM file cannot verify a certificate, else an empty text."""
    try:
        ssl.create_default_context(cafile=file)
    except ssl.SSLError:
        return "not PEM"
    except OSError as error:
        return str(error.strerror)
    return ""
