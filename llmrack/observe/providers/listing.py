"""Lists the providers with their keys, tests and health, without a key's value."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from textwrap import fill

from llmrack.hosts.asking import Gateways
from llmrack.observe.providers.gateway_health import GatewayHealth, gateway_health
from llmrack.observe.providers.trials import Tested, kept_tests
from llmrack.secrets.sources import everything
from llmrack.secrets.value import MASK, StoredSecret, preview
from llmrack.stack.litellm import secrets_of
from llmrack.stack.model_lists import servers
from llmrack.stack.providers import Provider
from llmrack.stack.proxies import logins
from llmrack.tables import WIDTH


@dataclass(frozen=True)
class Key:
    """A secret without its value.

    + source: where it is kept; None if it has no value
    + preview: its masked value
    + changed: when it was set (ISO 8601, UTC); None if that is not known
    """

    name: str
    source: str | None
    preview: str | None
    changed: str | None

    def __str__(self) -> str:
        if self.source is None:
            return f"{self.name} is not set"
        changed = f", changed {self.changed}" if self.changed else ""
        return f"{self.name} {self.preview} from {self.source}{changed}"


@dataclass(frozen=True)
class Row:
    """A provider.

    + url: its base address; for our own hosts, their group
    + tested: when it was tested last (ISO 8601, UTC)
    + result: the worst result of that test
    + health: each gateway's view of each of its servers
    """

    name: str
    kind: str
    url: str
    enabled: bool
    priority: int
    keys: tuple[Key, ...]
    tested: str | None
    result: str | None
    health: tuple[str, ...]


@dataclass(frozen=True)
class Listing:
    """All providers, the keys of LiteLLM's own settings and of proxies, and those nothing uses."""

    providers: tuple[Row, ...]
    litellm: tuple[Key, ...]
    proxies: tuple[Key, ...]
    others: tuple[Key, ...]


def listing(inventory: str, folder: Path) -> Listing:
    """Gather the list; every gateway is asked for health, no provider is asked.

    If a gateway cannot be reached, only health is unknown, and the list names the cause.

    Raises FileNotFoundError and DeclarationError, as ``read_inventory`` does.
    """
    gateways = Gateways(inventory, folder)
    declared = gateways.declared
    stored = {**everything(declared.places), **declared.kept}
    tested, health = kept_tests(folder), gateway_health(gateways)
    rows, used = [], set[str]()
    for name, provider in declared.stack.providers.items():
        url, names = _address(provider)
        used |= set(names)
        trials = [trial for trial in tested if trial.provider == name]
        rows.append(
            Row(
                name,
                provider.kind,
                url,
                provider.enabled,
                provider.priority,
                tuple(_key(trial, stored.get(trial)) for trial in names),
                min((trial.at for trial in trials), default=None),
                _worst(trials),
                tuple(_health(gateways, health, name)) if provider.enabled else (),
            )
        )
    of_litellm = secrets_of(declared.stack.litellm)
    of_proxies = logins(declared.fleet)
    used |= {*of_litellm, *of_proxies}
    return Listing(
        tuple(rows),
        tuple(_key(name, stored.get(name)) for name in of_litellm),
        tuple(_login(name, stored.get(name)) for name in of_proxies),
        tuple(_key(name, trial) for name, trial in stored.items() if name not in used),
    )


def _address(provider: Provider) -> tuple[str, tuple[str, ...]]:
    """A provider's address, and the names of its secrets."""
    remote = provider.remote
    if remote is None:
        return f"group {provider.runs_on}", provider.secrets
    return remote.url or remote.base or "(an address that LiteLLM knows)", provider.secrets


def _key(name: str, stored: StoredSecret | None) -> Key:
    if stored is None:
        return Key(name, None, None, None)
    return Key(name, stored.source, preview(stored.secret), stored.changed)


def _login(name: str, stored: StoredSecret | None) -> Key:
    """As ``_key``, but no part of a password is shown: a person may have chosen it."""
    return replace(_key(name, stored), preview=MASK if stored else None)


def _worst(tested: Sequence[Tested]) -> str | None:
    wrong = [trial.result for trial in tested if trial.result != "ok"]
    return wrong[0] if wrong else ("ok" if tested else None)


def _health(gateways: Gateways, health: Sequence[GatewayHealth], name: str) -> Iterator[str]:
    declared = gateways.declared
    for gateway, gateway_view in zip(gateways.hosts, health, strict=True):
        for server in servers(declared.stack, declared.fleet, gateway, name):
            at = "" if server.instance == name else f"{server.instance} "
            by = f" (by {gateway.name})" if len(health) > 1 else ""
            yield f"{at}{gateway_view.of(server.instance)}{by}"


def text(listed: Listing) -> str:
    """A block for each provider, then the other keys; 80 columns of plain text."""
    blocks = [_block(row) for row in listed.providers]
    for title, keys in (
        ("used by LiteLLM's own settings", listed.litellm),
        ("used by the hosts' proxies", listed.proxies),
        ("used by no provider", listed.others),
    ):
        if keys:
            blocks.append("\n".join([title, *(_line("key", str(key)) for key in keys)]))
    return "\n\n".join(blocks) + "\n"


def _block(row: Row) -> str:
    enabled = "" if row.enabled else ", not enabled"
    lines = [fill(f"{row.name}  {row.kind}  {row.url}  priority {row.priority}{enabled}", WIDTH)]
    lines += [_line("key", str(key)) for key in row.keys]
    lines.append(_line("tested", f"{row.tested}: {row.result}" if row.tested else "never"))
    lines += [_line("health", health) for health in row.health]
    return "\n".join(lines)


def _line(title: str, content: str) -> str:
    return fill(
        content,
        WIDTH,
        initial_indent=f"  {title:7}",
        subsequent_indent=" " * 9,
        break_long_words=False,
        break_on_hyphens=False,
    )


def as_json(listed: Listing) -> str:
    """The same for programs."""
    return json.dumps(asdict(listed), indent=2)
