"""Compares a configuration of LiteLLM with the one that llmrack renders after taking it over."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any

import yaml

from llmrack.adopt.adopt import Adopted, adopt
from llmrack.adopt.source import read_source
from llmrack.adopt.write import write
from llmrack.components.gateway.gateway import configuration
from llmrack.components.gateway.routing import routing
from llmrack.site.declared import read_inventory
from llmrack.site.site import Site

LIMITS = ("timeout", "stream_timeout", "rpm", "tpm", "max_parallel_requests")
FALLBACKS = ("fallbacks", "context_window_fallbacks", "content_policy_fallbacks")
MASTER_KEY = "LITELLM_MASTER_KEY=sk-canary-of-master\n"
# Addresses that LiteLLM, or llmrack in its place, knows by itself.
KNOWN = {"https://api.openai.com/v1", "https://ollama.com", "http://127.0.0.1:11434"}


def taken_over(folder: Path, config: str, env: str = "", compose: str = "") -> Adopted:
    """Take a configuration over; the results are in ``folder/new``."""
    old = folder / "old"
    old.mkdir(exist_ok=True)
    (old / "config.yaml").write_text(config)
    # Without the gateway's key, the notes say that clients need another one.
    (old / ".env").write_text(env if "LITELLM_MASTER_KEY" in env else env + MASTER_KEY)
    if compose:
        (old / "compose.yaml").write_text(compose)
    adopted = adopt(read_source(old / "config.yaml", None, None))
    write(adopted, folder / "new", "config.yaml")
    return adopted


def site_of(folder: Path) -> Site:
    """What was written, as a deploy reads it; mistakes in it raise DeclarationError."""
    with chdir(folder / "new"):
        return read_inventory("inventory", Path())


def rendered(site: Site) -> tuple[dict[str, Any], dict[str, Any]]:
    """The gateway's config.yaml and routing.json."""
    host = site.fleet.gateways[0]
    config = yaml.safe_load(configuration(site.stack, site.fleet, host))
    return config, json.loads(routing(site.stack, site.fleet, host))


def differences(original: dict[str, Any], site: Site, values: dict[str, str]) -> Iterator[str]:
    """What clients would notice, a line each.

    + values: the variables that the original refers to
    """
    config, table = rendered(site)
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in config["model_list"]:
        rows.setdefault(row["model_name"], []).append(row)
    aliases = config["router_settings"].get("model_group_alias", {})
    for entry in original["model_list"]:
        name, params = entry["model_name"], _resolved(entry["litellm_params"], values)
        candidates = [row["litellm_params"] for row in rows.get(name, [])]
        if not any(_is_same(params, candidate) for candidate in candidates):
            yield f"{name}: {params} is none of {candidates}"
    for name in {entry["model_name"] for entry in original["model_list"]}:
        yield from _shares(name, original, rows.get(name, []), table)
    yield from _routes(original, site, config, aliases)


def _resolved(params: dict[str, Any], values: dict[str, str]) -> dict[str, Any]:
    """Parameters with the values of variables in place of references, but for the key."""
    found = {}
    for name, value in params.items():
        is_reference = isinstance(value, str) and value.startswith("os.environ/")
        if is_reference and name in ("model", "api_base", "api_version"):
            value = values[value.removeprefix("os.environ/")]
        found[name] = value
    return found


def _is_same(params: dict[str, Any], row: dict[str, Any]) -> bool:
    model = params["model"]
    upstream = model.partition("/")[2] or model
    url = params.get("api_base", "").rstrip("/")
    asked = (row.get("api_base") or "").rstrip("/")
    same_place = url.removesuffix("/v1") == asked.removesuffix("/v1") or (
        not url and (not asked or asked in KNOWN)
    )
    key = params.get("api_key", "")
    same_key = not key.startswith("os.environ/") or row["api_key"] == key
    limits = all(float(params[name]) == float(row[name]) for name in LIMITS if name in params)
    return row["model"].partition("/")[2] == upstream and same_place and same_key and limits


def _shares(
    name: str, original: dict[str, Any], rows: list[dict[str, Any]], table: dict[str, Any]
) -> Iterator[str]:
    """The shares of the servers of a name, and their order."""
    entries = [e["litellm_params"] for e in original["model_list"] if e["model_name"] == name]
    distinct = {json.dumps(entry, sort_keys=True) for entry in entries}
    if len(distinct) != len(rows):
        yield f"{name}: {len(distinct)} servers are {len(rows)}"
    weights = sorted(entry.get("weight", 1) for entry in entries)
    now = sorted(table["deployments"][row["model_info"]["id"]]["weight"] for row in rows)
    if any("weight" in entry for entry in entries):
        before = [weight / sum(weights) for weight in weights]
        after = [weight / sum(now) for weight in now]
        if any(abs(one - other) > 0.001 for one, other in zip(before, after, strict=True)):
            yield f"{name}: the shares {before} are {after}"
    orders = [entry.get("order", 1) for entry in entries]
    levels = [table["deployments"][row["model_info"]["id"]]["level"] for row in rows]
    if len(set(orders)) != len(set(levels)):
        yield f"{name}: the order {orders} is {levels}"


def _routes(
    original: dict[str, Any], site: Site, config: dict[str, Any], aliases: dict[str, str]
) -> Iterator[str]:
    now = config["router_settings"]
    for setting in FALLBACKS:
        chains = {name: chain for item in now.get(setting, []) for name, chain in item.items()}
        for section in ("litellm_settings", "router_settings"):
            for item in (original.get(section) or {}).get(setting, []):
                for head, members in item.items() if isinstance(item, dict) else ():
                    if head == "*":
                        continue
                    wanted = [model for member in members for model in site.stack.members(member)]
                    chain = [member["model"] for member in chains.get(head, [])]
                    if wanted != chain:
                        yield f"{setting} of {head}: {wanted} is {chain}"
    given = (original.get("router_settings") or {}).get("model_group_alias", {})
    for alias, target in given.items():
        if aliases.get(alias) != target and alias not in site.stack.names:
            yield f"the alias {alias} of {target} is {aliases.get(alias)}"
