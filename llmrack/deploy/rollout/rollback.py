"""The releases that hosts have, and the gateway's way back to the one before."""

from __future__ import annotations

import secrets as random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from pyinfra.api.host import Host as PyinfraHost

from llmrack.components.engines import ENGINES
from llmrack.components.gateway.service import GatewayService
from llmrack.components.system.system import VERSION
from llmrack.deploy.run.lock import take
from llmrack.deploy.run.rack import Rack, Run
from llmrack.deploy.run.scripts import shell
from llmrack.deploy.start import DEPLOY
from llmrack.hosts.asking import Gateways
from llmrack.hosts.commands import run, sh
from llmrack.hosts.connection import Unreached
from llmrack.problems import nearest
from llmrack.resources.change import Shell, as_user
from llmrack.resources.script import script_file
from llmrack.stack.engines import is_engine
from llmrack.stack.fleet import Host

# Seconds for a rollback beside what open requests get: it starts the release twice.
PATIENCE = 420
CURRENT, PREVIOUS = "current", "previous"


class NoSuchHost(Exception):
    """A host that has no gateway."""


@dataclass(frozen=True)
class OnDisk:
    """A release on a host.

    + what: ``gateway``, or the engine's name
    + version: of LiteLLM or the engine; empty where it is not known
    + state: ``current``, ``previous`` or empty
    + since: when it came (``current``: when it became that), in seconds since the epoch
    + size: bytes; the gateway's with its Python environment, which releases may share
    """

    what: str
    name: str
    version: str
    state: str
    since: int
    size: int


@dataclass(frozen=True)
class Kept:
    """What a host keeps.

    + size: of all releases together, in bytes
    + llmrack: the version of llmrack that deployed the host; None for those before 0.2
    """

    releases: tuple[OnDisk, ...]
    size: int
    llmrack: str | None = None


def ask_releases(gateways: Gateways) -> dict[str, Kept | Unreached]:
    """Every host with a gateway or an engine, by name, in the inventory's order."""
    declared = gateways.declared
    hosts = [
        host
        for host in declared.fleet.hosts
        if host in gateways.hosts or is_engine(declared.stack, host)
    ]

    def question(host: Host, there: PyinfraHost) -> Kept:
        user = host.settings.service_user
        home = host.home
        folders = [engine.releases_folder(host) for engine in ENGINES.values()]
        script = script_file("deploy/list-releases.sh", VERSION, home.gateway, *folders)
        script = f"id -u {user} >/dev/null 2>&1 || exit 0; {as_user(user, script)}"
        answer = run(there, sh(script))
        if not answer.succeeded:
            raise Unreached(f"its releases cannot be read: {answer.stderr or 'no reason given'}")
        return parse(answer.lines)

    return gateways.ask(question, hosts)


def parse(lines: Iterable[str]) -> Kept:
    """What the script printed, read; newest first."""
    found: list[OnDisk] = []
    links: dict[str, list[tuple[int, str]]] = {"gateway": [], **{name: [] for name in ENGINES}}
    size = 0
    llmrack: str | None = None
    for line in lines:
        match line.split("\t"):
            case ["release", what, name, made, kib, litellm]:
                version = litellm if what == "gateway" else name.rpartition("-")[0]
                found.append(OnDisk(what, name, version, "", int(made), int(kib) * 1024))
            case ["link", what, name, made]:
                links[what].append((int(made), name))
            case ["all", kib]:
                size = int(kib) * 1024
            case ["llmrack", deployed_by]:
                llmrack = deployed_by
    marked = [_marked(each, found, sorted(links[each.what])) for each in found]
    releases = tuple(sorted(marked, key=lambda each: (each.what, -each.since)))
    return Kept(releases, size, llmrack)


def _marked(one: OnDisk, found: Sequence[OnDisk], links: Sequence[tuple[int, str]]) -> OnDisk:
    """A release with its state.

    Of the gateway's two colours the one that was started last serves. An engine has one link;
    before that one there was the newest of the others.
    """
    names = [name for _, name in links]
    if one.name in names[-1:]:
        return replace(one, state=CURRENT, since=links[-1][0])
    before = names[:-1]
    if one.what in ENGINES:
        others = [each for each in found if each.what == one.what and each.name not in names]
        before = [max(others, key=lambda each: each.since).name] if others else []
    return replace(one, state=PREVIOUS) if one.name in before else one


def rollback(inventory: str, folder: Path, only: str | None, tell: Callable[[str], None]) -> bool:
    """Bring gateways back to what ran before, one host after the other; the first failure ends it.

    + only: the host, if it is not all of them
    + tell: is told what happens

    Returns whether all went well. Raises FileNotFoundError and DeclarationError as
    ``read_inventory`` does, and NoSuchHost.
    """
    gateways = Gateways(inventory, folder)
    hosts = [host for host in gateways.hosts if only in (None, host.name)]
    if not hosts:
        names = [host.name for host in gateways.hosts]
        if only is None:
            raise NoSuchHost("the inventory has no host in the group gateway")
        raise NoSuchHost(f"no host {only!r} has a gateway; {nearest(only, names)}")
    this_run = Run(gateways.declared, random.token_hex(16), folder)
    for host in hosts:
        tell(f"{host.name}: the release before is tried on a spare port, then started")
        (answer,) = gateways.ask(
            lambda host, there: _back(this_run, there),
            [host],
            PATIENCE + host.settings.gateway_drain,
        ).values()
        tell(f"{host.name}: {answer[1] if isinstance(answer, tuple) else answer}")
        if not (isinstance(answer, tuple) and answer[0]):
            return False
    return True


def _back(this_run: Run, there: PyinfraHost) -> tuple[bool, str]:
    """Whether it came off, and what to say of it."""
    rack = Rack(this_run, there, DEPLOY)
    rack.look()
    resources = rack.resources(rack.arch)["gateway"]
    (service,) = (each for each in resources if isinstance(each, GatewayService))
    change = service.rollback(rack.seen)
    if change is None:
        return False, "there is nothing to go back to: no other release has served here"
    for action in change.actions:
        if not isinstance(action, Shell):
            continue
        reason = take(rack) or shell(rack, action)
        if reason:
            return False, f"not rolled back: {reason}"
    return True, f"release {PurePosixPath(service.previous(rack.seen)).name} serves again"
