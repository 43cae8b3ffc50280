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
KNOWN = {"openai": "https://api.openai.com/v1", "ollama_chat": "http://127.0.0.1:11434"}
# Prefixes by which LiteLLM asks in the same form.
SAME_FORM = {"ollama": "ollama_chat", "openrouter": "openai"}
# The form of requests, the address, the server's name of the model, and the key.
Server = tuple[str, str, str, str]


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

    + values: the variables that LiteLLM has
    """
    config, table = rendered(site)
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in config["model_list"]:
        rows.setdefault(row["model_name"], []).append(row)
    aliases = config["router_settings"].get("model_group_alias", {})
    for name in {entry["model_name"] for entry in original["model_list"]}:
        entries = [e["litellm_params"] for e in original["model_list"] if e["model_name"] == name]
        before = servers([_resolved(entry, values) for entry in entries])
        now = servers([_row_as_entry(row, table) for row in rows.get(name, [])])
        if before != now:
            yield f"{name}: {before} is {now}"
        yield from _limits(name, entries, rows.get(name, []))
    yield from _routes(original, site, config, aliases)


def _resolved(params: dict[str, Any], values: dict[str, str]) -> dict[str, Any]:
    """Parameters as LiteLLM takes them: with the values of variables, but for the key."""
    resolved = {}
    for name, value in params.items():
        is_reference = isinstance(value, str) and value.startswith("os.environ/")
        if is_reference and name in ("model", "api_base", "api_version"):
            value = values[value.removeprefix("os.environ/")]
        resolved[name] = value
    prefix = resolved["model"].partition("/")[0] if "/" in resolved["model"] else "openai"
    usual = f"{prefix.removesuffix('_chat').upper()}_API_KEY"
    if usual in values:
        resolved.setdefault("api_key", f"os.environ/{usual}")
    return resolved


def _row_as_entry(row: dict[str, Any], table: dict[str, Any]) -> dict[str, Any]:
    """A rendered row with its share and its level, in LiteLLM's words for them."""
    deployment = table["deployments"][row["model_info"]["id"]]
    entry = row["litellm_params"] | {"weight": deployment["weight"], "order": deployment["level"]}
    if deployment["rules"]["engine"] == "ollama":
        # llmrack asks it for embeddings in OpenAI's form, which it has, too.
        entry["model"] = f"ollama_chat/{deployment['upstream']}"
    return entry


def servers(entries: list[dict[str, Any]]) -> dict[Server, tuple[float, int]]:
    """By server, its share among those of its level, and the number of the level."""
    orders = sorted({entry.get("order", 1) for entry in entries})
    weights: list[float] = []
    for metric in ("weight", "rpm", "tpm"):
        if not any(weights):
            weights = [entry.get(metric, 0) for entry in entries]
    if not any(weights):
        weights = [1 for _ in entries]
    levels: dict[float, float] = {}
    for entry, weight in zip(entries, weights, strict=True):
        order = entry.get("order", 1)
        levels[order] = levels.get(order, 0) + weight
    shares: dict[Server, tuple[float, int]] = {}
    for entry, weight in zip(entries, weights, strict=True):
        order = entry.get("order", 1)
        shares[_server(entry)] = round(weight / levels[order], 4), orders.index(order)
    return shares


def _limits(name: str, entries: list[dict[str, Any]], rows: list[dict[str, Any]]) -> Iterator[str]:
    """The limits and deadlines of entries that no row has."""
    rendered_limits = [_numbers(row["litellm_params"]) for row in rows]
    for entry in entries:
        wanted = _numbers(entry)
        if not any(wanted.items() <= limits.items() for limits in rendered_limits):
            yield f"{name}: {wanted} is among none of {rendered_limits}"


def _numbers(params: dict[str, Any]) -> dict[str, float]:
    return {name: float(params[name]) for name in LIMITS if params.get(name) is not None}


def _server(params: dict[str, Any]) -> Server:
    """What LiteLLM asks: the form, the address, the model, and the key."""
    prefix, slash, upstream = params["model"].partition("/")
    prefix, upstream = (prefix, upstream) if slash else ("openai", prefix)
    form = SAME_FORM.get(prefix, prefix)
    url = (params.get("api_base") or KNOWN.get(form, "")).rstrip("/").removesuffix("/v1")
    key = params.get("api_key") or "none"
    return form, url, upstream, key


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
