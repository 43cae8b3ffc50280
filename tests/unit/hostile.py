"""Declarations with something hostile in one place, and what must be true of what follows."""

from __future__ import annotations

import copy
import datetime
import json
import re
from collections.abc import Iterator
from typing import Any

import yaml
from hypothesis import strategies as st

from llmrack.components.engine import ModelSeen
from llmrack.components.monitor.prometheus import PrometheusConfiguration
from llmrack.components.plan import by_component
from llmrack.components.removal import removals
from llmrack.components.system import system
from llmrack.resources.change import Build, Resource, Shell
from llmrack.resources.files import File
from llmrack.resources.look import Look, Seen
from llmrack.resources.look_script import script
from llmrack.resources.releases import Release
from llmrack.secrets.value import Secret
from llmrack.stack.fleet import Fleet, Host
from llmrack.stack.keys import IssuedKey
from llmrack.stack.schema import Stack
from tests.unit.declare import site

# What is put into a declaration has this in it, so that it can be found again anywhere.
MARK = "Zq7"
PIECES = (
    *("$(touch CANARY)", "`touch CANARY`", "; touch CANARY #", "&& touch CANARY", "| sh", "$HOME"),
    *("{{7*7}}", "{% raw %}", "{#", "${IFS}", "%n %h", "%%", "$$", "\\", "\\\n", "'", '"', "'\"'"),
    *("\n", "\r\n", "\0", "\t", " ", "\x1b[2J", "\x7f", "\x85", "\u2028", "\u202e", "\ufeff", "ü"),
    *("..", "/../../etc/passwd", "-", "--help", "~", "*", "?", "[a]", "!", "^", "<", ">", "&", "|"),
    *(": ", "- ", "&a *a", "!!python/object:os.system", "os.environ/LITELLM_MASTER_KEY", "%2e%2e"),
    *("\nExecStart=/bin/sh", "\n[Service]\n", "\nKEY=value", "=", "#", ";", ",", "@", ":", "/"),
    *("http://a:99999", "http://[", "\uff11", "\u0663", "A" * 300, "A" * 10_000),
)
# What LiteLLM, systemd and a shell take for nothing but themselves.
PLAIN = re.compile(r"[A-Za-z0-9@+=:,./_-]*")


def texts() -> st.SearchStrategy[str]:
    """Texts with something hostile in them, at the beginning, in the middle or at the end."""
    part = st.sampled_from(PIECES) | st.text(min_size=1, max_size=5)
    parts = st.lists(part, min_size=1, max_size=3).map("".join)
    return st.tuples(parts | st.just(""), st.just(MARK), parts | st.just("")).map("".join)


def values() -> st.SearchStrategy[Any]:
    """Such texts, or something that is no text at all."""
    odd: list[Any] = [
        None,
        True,
        -1,
        0,
        10**400,
        1e308,
        float("inf"),
        float("nan"),
        [],
        {},
        [[]],
        {"a": {}},
    ]
    return texts() | st.sampled_from([*odd, b"\0", datetime.date(1, 1, 1), {1: 2}, ["a", None]])


def places(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of everything in ``data``; one that ends in None is of a key itself."""
    items = data.items() if isinstance(data, dict) else enumerate(data)
    for key, value in items:
        yield (*path, key)
        if isinstance(data, dict):
            yield (*path, key, None)
        if isinstance(value, dict | list | tuple):
            yield from places(value, (*path, key))


def put(data: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy of ``data`` with ``value`` at ``path``; a key is made a text."""
    changed = part = copy.deepcopy(data)
    is_key = path[-1] is None
    *way, last = path[:-1] if is_key else path
    for key in way:
        part = part[key]
    if is_key:
        items = [(str(value) if key == last else key, entry) for key, entry in part.items()]
        part.clear()
        part.update(items)
    else:
        part[last] = value
    return changed


def everything(stack: Stack, fleet: Fleet, host: Host) -> list[Resource]:
    """What ``host`` shall have, and what a removal would take."""
    names = ("LITELLM_MASTER_KEY", "OLLAMA_API_KEY", "OFFICE_KEY", "OFFICE_HEADER")
    issued = {name: IssuedKey(sha256="a" * 64, issued="2026-01-01") for name in stack.keys}
    secrets = {name: Secret(f"sk-{name.lower()}") for name in names}
    parts = by_component(site(stack, fleet, secrets, issued), host, "amd64", "nonce")
    return [resource for group in (*parts.values(), *removals(host).values()) for resource in group]


def texts_of(stack: Stack, fleet: Fleet) -> Iterator[tuple[str, str]]:
    """Every file and script that hosts get, with a name; a script's name is ``sh``."""
    for host in fleet.hosts:
        user = host.settings.service_user
        seen = Seen(
            facts={"arch": "x86_64", "os": "debian", "os_version": "12", "known_groups": "render"},
            parts={"model": {"old:latest": ModelSeen("a" * 64, 1)}},
            made={f"user {user}", f"linger {user}"},
        )
        look = Look()
        system.look(stack, host, look)
        for resource in everything(stack, fleet, host):
            resource.look(look)
            if isinstance(resource, File):
                yield resource.path, resource.content
            if isinstance(resource, Release | PrometheusConfiguration):
                yield from resource.files
            change = resource.change(seen, ("Unit llmrack-ollama@main.service",))
            for action in change.actions if change else ():
                if isinstance(action, Shell):
                    yield "sh", action.script
                if isinstance(action, Build):
                    yield "build.json", action.request
        yield "sh", script(look, "nonce")


def assert_sound(stack: Stack, fleet: Fleet) -> None:
    """Every file can be read as what it is, and says nothing that was not declared."""
    texts = list(texts_of(stack, fleet))
    for name, text in texts:
        text.encode()
        kind = name.rpartition(".")[2]
        if kind in ("yaml", "yml"):
            _assert_no_reference(stack, yaml.load(text, yaml.CSafeLoader))
        if kind == "json":
            json.loads(text, parse_constant=_no_number)
        if kind == "env":
            line_of = re.compile(r"|#.*|[A-Z_][A-Z0-9_]*=[!-~ ]*")
            assert all(line_of.fullmatch(line) for line in text.split("\n"))
        if kind in ("sh", "service", "socket", "conf", "nft"):
            # What is not plain goes into other files, or over standard input.
            around = [word.rstrip(")") for word in re.split(r"[\s'\"]+", text) if MARK in word]
            assert all(PLAIN.fullmatch(word) for word in around), (name, around)
            assert "\0" not in text
    _assert_given_back(stack, texts)


def _no_number(word: str) -> None:
    raise AssertionError(f"{word} is no JSON")


def _assert_no_reference(stack: Stack, data: Any) -> None:
    """LiteLLM replaces ``os.environ/NAME``, wherever it stands, by that variable."""
    secrets = {"LITELLM_MASTER_KEY"}
    for provider in stack.providers.values():
        secrets |= set(provider.secrets)
    text = json.dumps(data, default=str)
    assert set(re.findall(r'"os\.environ/(.*?)"', text)) <= secrets


def _assert_given_back(stack: Stack, rendered: list[tuple[str, str]]) -> None:
    config = next(text for name, text in rendered if name == "config.yaml")
    rows = yaml.load(config, yaml.CSafeLoader)["model_list"]
    named = {row["model_name"] for row in rows}
    assert named >= {name for name in stack.models if stack.served_by(name)}
    headers = [row["litellm_params"].get("extra_headers", {}) for row in rows]
    for name, provider in stack.providers.items():
        remote = provider.remote
        if remote and remote.headers and provider.enabled:
            assert not stack.models_of(name) or any(
                remote.headers.items() <= value.items() for value in headers
            )
    builds = [json.loads(text) for name, text in rendered if name == "build.json"]
    for name, model in stack.models.items():
        if model.create and not model.create.copy_of and model.create.request:
            request = json.loads(json.dumps(model.create.request))
            assert any(request.items() <= value.items() for value in builds), name
    keys = next(json.loads(text) for name, text in rendered if name == "keys.json")
    assert {key["name"] for key in keys.values()} <= set(stack.keys)
