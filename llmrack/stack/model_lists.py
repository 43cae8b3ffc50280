"""Comparison of the models that a provider lists with those that are declared of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from llmrack.problems import Problem, nearest
from llmrack.stack.declaration import Declaration
from llmrack.stack.fleet import Fleet, Host
from llmrack.stack.instances import instance_name, instance_url
from llmrack.stack.providers import Provider
from llmrack.stack.schema import Stack
from llmrack.stack.types import is_wildcard

# A message with more names than this would not help.
FEW = 12


@dataclass(frozen=True)
class Server:
    """One server that is asked for its models.

    + provider: the provider's name
    + declared: the provider as declared
    + instance: ``host`` or ``host/name`` for an instance of our own, the provider's name for others
    + url: its base address
    """

    provider: str
    declared: Provider
    instance: str
    url: str

    @property
    def list_url(self) -> str:
        """Where it lists its models."""
        return self.at(self.declared.list_path)

    @property
    def secret(self) -> str | None:
        """Name of the first secret that is sent to it, or None."""
        return next(iter(self.declared.secrets), None)

    @property
    def chat_url(self) -> str:
        """Where it takes chats."""
        return self.at(self.declared.chat_path)

    def at(self, path: str) -> str:
        """The URL of a path below its base address, with the query of the declared address."""
        remote = self.declared.remote
        return remote.at(path) if remote else self.url + path


def servers(stack: Stack, fleet: Fleet, gateway: Host, name: str) -> list[Server]:
    """The servers of provider ``name``, as ``gateway`` reaches them."""
    provider = stack.providers[name]
    if provider.remote:
        return [Server(name, provider, name, provider.remote.base)]
    return [
        Server(name, provider, instance_name(host, instance), instance_url(host, instance, gateway))
        for host in fleet.hosts
        for instance in provider.instances(host)
    ]


def with_lists(stack: Stack) -> dict[str, Provider]:
    """The enabled remote providers of which models are declared by name."""
    return {
        name: provider
        for name, provider in stack.providers.items()
        if provider.enabled
        and provider.remote
        and provider.lists_models
        and provider.lists_every_name
        and any(not is_wildcard(model) for model in stack.models_of(name))
    }


def listed(answer: object) -> dict[str, dict[str, Any]] | None:
    """The entries of a list of models in Ollama's form or in OpenAI's, by the model's name.

    None if the answer has neither form. Sources: ollama/ollama docs/api.md (GET /api/tags),
    OpenAI's API reference (GET /v1/models).
    """
    for form, key in (("models", "name"), ("data", "id")):
        entries = answer.get(form) if isinstance(answer, dict) else None
        if isinstance(entries, list):
            return {
                str(entry[key]): entry
                for entry in entries
                if isinstance(entry, dict) and key in entry
            }
    return None


def next_page(answer: object) -> dict[str, str]:
    """Parameters that lead to the next page of a list of models; empty after the last one.

    Sources: Anthropic's Models API (has_more, last_id), Google's (nextPageToken).
    """
    page = answer if isinstance(answer, dict) else {}
    if token := page.get("nextPageToken"):
        return {"pageToken": str(token)}
    if page.get("has_more") is True and page.get("last_id"):
        return {"after_id": str(page["last_id"])}
    return {}


def not_listed(
    declaration: Declaration, server: Server, names: Collection[str], asked_from: str
) -> Iterator[Problem]:
    """A problem for each model that is declared of a server, and that it does not list.

    + names: the names that it lists
    + asked_from: the host that asked
    """
    stack, provider = declaration.stack, server.provider
    at = server.declared
    if not at.lists_every_name:
        return
    known = {at.listed_name(name) for name in names}
    full = {at.full_name(name) for name in known}
    for model in stack.models_of(provider):
        upstream = stack.upstream(model, provider)
        if is_wildcard(model) or at.full_name(upstream) in full:
            continue
        way_out = nearest(upstream, known) if known else "it lists none: get it there first"
        if not way_out.startswith("did you mean") and len(known) > FEW:
            way_out = f"choose one of the {len(known)} that it lists"
        if at.runs_on:
            way_out = "deploy: that gets it there"
        if at.may_serve_unlisted:
            way_out += " (what it serves and does not list can be declared by a wildcard)"
        yield declaration.problem(
            f"models.{model}",
            f"provider {provider!r} does not list a model {upstream!r} "
            f"({server.list_url}, asked from {asked_from})",
            way_out,
            "models",
            model,
        )
