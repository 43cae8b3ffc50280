"""Tests every provider from every gateway: the connection, the key, the declared models.

The results are kept in ``.llmrack/tested.json``, without any value of a key.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import gevent
from pydantic import TypeAdapter, ValidationError
from pyinfra.api.host import Host as PyinfraHost
from rich import box
from rich.table import Table
from rich.text import Text

from llmrack.files import replace_file
from llmrack.hosts.asking import Gateways
from llmrack.hosts.connection import Unreached
from llmrack.hosts.provider_requests import NotAnswered, Reach
from llmrack.observe.exit_codes import FINE, NOT_ASKED, NOT_FINE, worst
from llmrack.secrets.audit import now
from llmrack.secrets.locking import alone_with
from llmrack.secrets.value import Secret
from llmrack.stack.declaration import Declaration
from llmrack.stack.fleet import Host
from llmrack.stack.model_lists import Server, not_listed, servers
from llmrack.tables import printed
from llmrack.verify.causes import Trouble

# The result for a provider that cannot be asked for anything without costs.
NO_TEST = "no test"
KEPT = Path(".llmrack/tested.json")


@dataclass(frozen=True)
class Tested:
    """The result of asking one server of a provider from one gateway.

    + provider: its name
    + instance: the server's name: ``host`` or ``host/name`` of our own, else the provider's
    + gateway: the host that asked
    + at: when (ISO 8601, UTC)
    + trouble: the failure; None if it answers and accepts the key
    + ms: milliseconds until its list had come, connection included; None without a list
    + models: the number of models that it lists; None without a list
    + untested: why nothing was asked; empty otherwise
    + missing: the declared models that it does not list, each with place and way out
    """

    provider: str
    instance: str
    gateway: str
    at: str
    trouble: Trouble | None = None
    ms: int | None = None
    models: int | None = None
    missing: tuple[str, ...] = ()
    untested: str = ""

    @property
    def name(self) -> str:
        """The provider, with the instance if it has several."""
        has_several = self.instance != self.provider
        return f"{self.provider} {self.instance}" if has_several else self.provider

    @property
    def result(self) -> str:
        """One word or two: ok, or the class of what is wrong."""
        if self.trouble:
            return self.trouble.kind
        if self.untested:
            return NO_TEST
        return "model missing" if self.missing else "ok"

    @property
    def code(self) -> int:
        """Its part in the exit code."""
        if self.trouble and self.trouble.kind == "gateway":
            return NOT_ASKED
        return FINE if self.result in ("ok", NO_TEST) else NOT_FINE


def test_providers(
    inventory: str,
    folder: Path,
    names: Sequence[str] | None = None,
    keys: Mapping[str, Secret] | None = None,
) -> list[Tested]:
    """Have every gateway ask providers for their models, all at once; nothing is kept.

    + names: the providers (default: all that are enabled)
    + keys: values instead of the kept ones, by the names of the secrets

    Raises FileNotFoundError and DeclarationError, as ``read_inventory`` does, and NoProvider.
    """
    gateways = Gateways(inventory, folder)
    declared = gateways.declared
    for name in names or ():
        gateways.insist_on_provider(name)
    wanted = names or [
        name for name, provider in declared.stack.providers.items() if provider.enabled
    ]
    providers = [declared.stack.providers[name] for name in wanted]
    secrets = {**declared.secrets, **(keys or {})}
    asked = {
        gateway.name: [
            server
            for name in wanted
            for server in servers(declared.stack, declared.fleet, gateway, name)
        ]
        for gateway in gateways.hosts
    }

    def question(gateway: Host, connected: PyinfraHost) -> list[Tested]:
        reach = Reach(connected, secrets, providers, gateway)
        tests = [
            gevent.spawn(test_server, reach, server, gateway.name, declared.declaration)
            for server in asked[gateway.name]
        ]
        return [test.get() for test in tests]

    results: list[Tested] = []
    for gateway, answer in gateways.ask(question).items():
        if isinstance(answer, Unreached):
            cause = f"{gateway} could not ask ({answer})"
            trouble = Trouble("gateway", cause, "see whether that host runs and lets us in")
            results += [
                Tested(server.provider, server.instance, gateway, now(), trouble)
                for server in asked[gateway]
            ]
        else:
            results += answer
    return results


def test_server(reach: Reach, server: Server, gateway: str, declaration: Declaration) -> Tested:
    """Ask one server for its models, and whether it takes the key.

    + gateway: who asks, in messages
    """
    who = (server.provider, server.instance, gateway, now())
    ms = models = None
    missing: tuple[str, ...] = ()
    if not server.declared.lists_models:
        return Tested(*who, untested=why_no_test(server))
    try:
        with reach.talk(server) as talk:
            listed = talk.models()
            ms, models = round(talk.seconds * 1000), len(listed)
            missing = tuple(map(str, not_listed(declaration, server, listed, gateway)))
            talk.prove_key()
    except NotAnswered as error:
        return Tested(*who, error.trouble, ms, models, missing)
    return Tested(*who, None, ms, models, missing)


def why_no_test(server: Server) -> str:
    """A sentence for a provider whose list of models is not known."""
    return (
        f"{server.provider} was not asked: no list of models is known of it, and every other "
        "request costs; a deploy and `llmrack verify` ask its models"
    )


def keep_tested(folder: Path, tested: Sequence[Tested]) -> None:
    """Keep results, in place of older ones of the same providers that were asked."""
    asked = [result for result in tested if result.code != NOT_ASKED]
    names = {result.provider for result in asked}
    file = folder / KEPT
    file.parent.mkdir(exist_ok=True)
    # Of two runs at a time neither must lose the other's results.
    with alone_with(file):
        others = [result for result in kept_tests(folder) if result.provider not in names]
        rows = [asdict(result) for result in (*others, *asked)]
        replace_file(file, json.dumps(rows, indent=2) + "\n", 0o644)


def kept_tests(folder: Path) -> list[Tested]:
    """The results that were kept; empty if there are none, or the file is damaged."""
    try:
        text = (folder / KEPT).read_bytes()
        return TypeAdapter(list[Tested]).validate_json(text)
    except (OSError, ValidationError):
        return []


def exit_code(tested: Sequence[Tested]) -> int:
    """1 when something is wrong with a provider, else 2 when a gateway could not ask, else 0."""
    return worst(test.code for test in tested)


def table(tested: Sequence[Tested]) -> str:
    """A line for each test, then a sentence for each failure; 80 columns of plain text."""
    shown = Table(box=box.SIMPLE, pad_edge=False)
    for title in ("provider", "asked from", "result"):
        shown.add_column(title)
    for title in ("ms", "models"):
        shown.add_column(title, justify="right")
    for test in tested:
        figures = ("" if number is None else str(number) for number in (test.ms, test.models))
        shown.add_row(*map(Text, (test.name, test.gateway, test.result, *figures)))
    sentences = [str(test.trouble) for test in tested if test.trouble]
    sentences += [test.untested for test in tested if test.untested]
    sentences += [sentence for test in tested for sentence in test.missing]
    return printed(shown, *dict.fromkeys(sentences))


def as_json(tested: Sequence[Tested]) -> str:
    """The same for programs."""
    rows = [{"result": test.result, **asdict(test)} for test in tested]
    return json.dumps({"exit_code": exit_code(tested), "providers": rows}, indent=2)
