"""The report as one self-contained HTML page: no script, no font, no other server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from llmrack.components.engines import engines_on
from llmrack.observe import figures
from llmrack.observe.exit_codes import FINE, NOT_ASKED, worst
from llmrack.observe.report.graph import rows, where
from llmrack.observe.report.graph_svg import svg
from llmrack.observe.report.usage import by_group, over_time, table_over_time, trends
from llmrack.observe.requests.usage import Usage
from llmrack.observe.status.server_status import ServerStatus, Status
from llmrack.resources.script import TEMPLATES
from llmrack.stack.fleet import GATEWAY_GROUP, Fleet
from llmrack.stack.schema import Stack
from llmrack.verify.results import Report, Result

# The state of an instance: its sign, and its word.
SIGNS = {
    "ok": ("✓", "ok"),
    "trouble": ("✗", "trouble"),
    "unknown": ("?", "not known"),
    "off": (figures.NONE, "not enabled"),
}
_FIGURES = ("count", "short", "seconds", "money", "share", "gigabytes", "ago")


@dataclass(frozen=True)
class Verdict:
    """The state of everything: one of SIGNS, and a sentence."""

    state: str
    sentence: str


@dataclass(frozen=True)
class Findings:
    """The content of a page.

    + made: when the hosts were asked, in UTC
    + usage: of one period, by model, provider, instance and key; at least one
    + before: of the period of the same length before that
    + proof: the last verification; None if there was none
    + standins: names of a lab's stand-ins for real servers in that verification
    """

    made: datetime
    stack: Stack
    fleet: Fleet
    status: Status
    usage: Mapping[str, Usage]
    before: Usage
    proof: Report | None
    standins: tuple[str, ...] = ()

    @property
    def now(self) -> Usage:
        """One of ``usage``: their totals are the same."""
        return next(iter(self.usage.values()))

    @property
    def unreached(self) -> dict[str, str]:
        """Why hosts could not be asked for their requests."""
        asked = (*self.usage.values(), self.before)
        return {host: why for usage in asked for host, why in usage.unreached.items()}

    @property
    def exit_code(self) -> int:
        """0 all is well, 1 something is not, 2 something could not be asked."""
        proof = self.proof.exit_code if self.proof else FINE
        return worst((self.status.exit_code, proof, NOT_ASKED if self.unreached else FINE))

    @property
    def verdict(self) -> Verdict:
        """All of it in one sentence."""
        if self.exit_code == FINE:
            return Verdict("ok", "All is well.")
        if self.exit_code == NOT_ASKED:
            return Verdict("unknown", "Not everything could be asked; what was asked is well.")
        ill = [server.name for server in self.status.servers if server.state == "trouble"]
        parts = [f"{', '.join(ill)} {'is' if len(ill) == 1 else 'are'} in trouble"] if ill else []
        if number := len(self.proof.failed) if self.proof else 0:
            parts.append(f"{number} check{'s' * (number > 1)} of the last verification failed")
        return Verdict("trouble", f"Not all is well: {'; '.join(parts)}.")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES / "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {name: getattr(figures, name) for name in _FIGURES}
    environment.globals |= {"signs": SIGNS}
    return environment


def page(findings: Findings) -> str:
    """The page; all texts of hosts, clients and people are escaped in it."""
    now = findings.now
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            findings=findings,
            now=now,
            period=figures.span(now.until - now.since),
            instances=[
                server
                for server in findings.status.servers
                if server.kind != "gateway" and server.enabled
            ],
            homes=list(_homes(findings)),
            # Its texts are escaped where it is drawn.
            graph=Markup(svg(findings.stack, findings.fleet)),  # noqa: S704  (see above)
            names=list(rows(findings.stack)),
            where=where(findings.stack, findings.fleet),
            proven=_proven(findings.proof),
            charts=over_time(now),
            buckets=table_over_time(now),
            groups={name: by_group(usage) for name, usage in findings.usage.items()},
            trends=trends(now, findings.before),
        )
    )


@dataclass(frozen=True)
class _Home:
    """A host, or elsewhere, with the servers there."""

    name: str
    roles: str
    servers: tuple[ServerStatus, ...]


def _homes(findings: Findings) -> Iterable[_Home]:
    for host in findings.fleet.hosts:
        roles = ["gateway"] if GATEWAY_GROUP in host.groups else []
        roles += [engine.title for engine in engines_on(findings.stack, host)]
        servers = tuple(server for server in findings.status.servers if server.host == host.name)
        yield _Home(host.name, ", ".join([host.address, *roles]), servers)
    if others := tuple(server for server in findings.status.servers if server.host is None):
        yield _Home("Elsewhere", "servers that are not ours", others)


def _proven(proof: Report | None) -> dict[str, list[Result]]:
    """The results of the last verification, by host."""
    by_host: dict[str, list[Result]] = {}
    for result in proof.results if proof else ():
        by_host.setdefault(result.host, []).append(result)
    return by_host
