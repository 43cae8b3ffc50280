"""The names that clients ask for, the models behind them in order, and their providers.

``mermaid`` writes them as text for Mermaid.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from urllib.parse import urlsplit

from llmrack.stack.deployments import Deployment, deployments
from llmrack.stack.fleet import Fleet
from llmrack.stack.schema import Stack

TITLE = "Who answers"
DESCRIPTION = "The names that clients ask for, whom the gateway asks for each, and where they run."
DEFAULT = "default chain"


@dataclass(frozen=True)
class Row:
    """A name, and the models that the gateway asks for it.

    + name: a model, a tier, a mix, or ``DEFAULT``
    + notes: further facts about it
    + steps: an arrow's label, and the model (or ``DEFAULT``) that it leads to
    + at_first: the number of steps that serve it; the others follow if these cannot
    + when: the failure after which the steps are taken; empty for any failure
    """

    name: str
    notes: tuple[str, ...]
    steps: tuple[tuple[str, str], ...]
    at_first: int = 0
    when: str = ""


@dataclass(frozen=True)
class Place:
    """A provider.

    + lines: its instances, a line for each of its hosts
    """

    name: str
    title: str
    lines: tuple[str, ...]
    enabled: bool


def rows(stack: Stack) -> Iterator[Row]:
    """Every public name with its chain, in the order declared; the default chain once."""
    for name in (*stack.models, *stack.tiers, *stack.mixes):
        members, notes = _members(stack, name), tuple(_notes(stack, name))
        at_first = len(members) if name in stack.mixes else min(len(members), 1)
        yield Row(name, notes, (*members, *_then(stack, name)), at_first)
    if any(_takes_default(stack, name) for name in stack.names):
        served = [name for name in stack.default_chain if stack.served_by(name)]
        yield Row(DEFAULT, (), tuple(_numbered(served)))
    for when, chains in (
        ("a prompt is too long", stack.context_window_chains),
        ("a prompt is refused", stack.content_policy_chains),
    ):
        for name in chains:
            if steps := tuple(_numbered(stack.special_chain(chains, name))):
                yield Row(name, (), steps, when=when)


def _notes(stack: Stack, name: str) -> Iterator[str]:
    if name in stack.tiers or name in stack.mixes:
        yield "tier" if name in stack.tiers else "mix"
    elif stack.models[name].explicit_only:
        yield "only by name"
    if name not in stack.names:
        yield "not served"
    for alias, target in stack.aliases.items():
        if target == name:
            yield f"also {alias}"


def _members(stack: Stack, name: str) -> list[tuple[str, str]]:
    served = [member for member in stack.members(name) if stack.served_by(member)]
    if name in stack.mixes:
        shares = stack.mixes[name]
        whole = sum(shares[member] for member in served)
        return [(f"{100 * shares[member] / whole:.3g} %", member) for member in served]
    return _numbered(served) if name in stack.tiers else []


def _then(stack: Stack, name: str) -> list[tuple[str, str]]:
    if _takes_default(stack, name):
        return [("", DEFAULT)]
    before = len(_members(stack, name)) if name in stack.tiers else 0
    return _numbered(stack.chain(name), before + 1) if name in stack.names else []


def _numbered(models: Iterable[str], first: int = 1) -> list[tuple[str, str]]:
    return [(str(number), model) for number, model in enumerate(models, first)]


def _takes_default(stack: Stack, name: str) -> bool:
    return name in stack.names and name not in stack.chains and bool(stack.chain(name))


def places(stack: Stack, fleet: Fleet) -> list[Place]:
    """Every provider with its instances; priorities and weights where not all are the same."""
    served = _own(stack, fleet)
    priorities = {deployment.level for deployment in served}
    weights = {deployment.weight for deployment in served}
    shown = []
    for name, provider in stack.providers.items():
        by_instance = {
            deployment.instance: deployment for deployment in served if deployment.provider == name
        }
        lines = []
        for host, group in groupby(by_instance, key=lambda instance: instance.partition("/")[0]):
            instances = list(group)
            names = [instance.partition("/")[2] for instance in instances]
            first = by_instance[instances[0]]
            line = (urlsplit(first.url).netloc or name) if provider.remote else host
            if any(names):
                line += f": {', '.join(names)}"
            figures = [f"priority {first.level}"] if len(priorities) > 1 else []
            figures += [f"weight {first.weight:g}"] if len(weights) > 1 else []
            lines.append(f"{line} ({', '.join(figures)})" if figures else line)
        if not provider.enabled:
            lines = ["not enabled"]
        title = f"{name} ({provider.kind})"
        shown.append(Place(name, title, tuple(lines or ["no instance known"]), provider.enabled))
    return shown


def _own(stack: Stack, fleet: Fleet) -> list[Deployment]:
    """The deployments of models under their own names, as the first gateway has them."""
    every = deployments(stack, fleet, fleet.gateways[0])
    return [deployment for deployment in every if deployment.name == deployment.model]


def where(stack: Stack, fleet: Fleet) -> dict[str, str]:
    """For each model that is served, its providers in the order in which they are asked."""
    levels_of: dict[str, dict[str, int]] = {}
    for deployment in _own(stack, fleet):
        levels = levels_of.setdefault(deployment.model, {})
        levels[deployment.provider] = min(
            deployment.level, levels.get(deployment.provider, deployment.level)
        )
    return {
        model: ", then ".join(
            ", ".join(at for at in levels if levels[at] == level)
            for level in sorted(set(levels.values()))
        )
        for model, levels in levels_of.items()
    }


def mermaid(stack: Stack, fleet: Fleet) -> str:
    """A flowchart: thick arrows to the models asked at first, dotted ones to the following."""
    every, providers = list(rows(stack)), places(stack, fleet)
    ids = {row.name: f"n{number}" for number, row in enumerate(every) if not row.when}
    at = {place.name: f"p{number}" for number, place in enumerate(providers)}
    lines = ["flowchart LR", f"  accTitle: {TITLE}", f"  accDescr: {DESCRIPTION}"]
    for row in every:
        if not row.when:
            left, right = ('(["', '"])') if row.name not in stack.models else ('["', '"]')
            text = "<br/>".join((row.name, *row.notes))
            lines.append(f"  {ids[row.name]}{left}{text}{right}")
    for place in providers:
        lines += [f'  subgraph {at[place.name]}["{place.title}"]']
        lines += [f'    {at[place.name]}i{n}["{text}"]' for n, text in enumerate(place.lines)]
        lines += ["  end"]
    for row in every:
        for number, (label, to) in enumerate(row.steps):
            arrow = "==>" if number < row.at_first else "-.->"
            caption = ": ".join(filter(None, (row.when, label)))
            caption = f'|"{caption}"|' if caption else ""
            lines.append(f"  {ids[row.name]} {arrow}{caption} {ids[to]}")
    for name in stack.models:
        lines += [f"  {ids[name]} --> {at[provider]}" for provider in stack.served_by(name)]
    off = [at[place.name] for place in providers if not place.enabled]
    lines += [f"  style {place_id} stroke-dasharray: 4" for place_id in off]
    return "\n".join(lines) + "\n"
