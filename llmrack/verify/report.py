"""A report for people (a table) and for CI (JUnit XML); for programs see report_json."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar
from xml.etree import ElementTree

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from llmrack.tables import printed
from llmrack.verify.results import Report, Result

# Longer model names are wrapped.
NAME_WIDTH = 26
NUMBER_WIDTH = 7
_Key = TypeVar("_Key")


def table(report: Report, standins: Sequence[str] = ()) -> str:
    """A table for each host, then the reasons of what failed; 80 columns of plain text.

    + standins: names of a lab's stand-ins for real servers
    """
    by_host = _grouped(report.results, lambda result: result.host)
    parts: list[RenderableType] = [_host_table(host, results) for host, results in by_host.items()]
    for (host, detail), same in _grouped(
        report.failed, lambda result: (result.host, result.detail)
    ).items():
        parts.append(f"FAILED {host}: {'; '.join(_places(same))}: {detail}")
    parts += [f"NOT ASKED {reason}" for reason in report.not_run]
    if standins:
        parts.append(
            f"Lab stand-ins, not the real thing: {', '.join(standins)}. "
            "What they say and how fast proves nothing about real models."
        )
    proven = len(report.results) - len(report.failed)
    return printed(*parts, f"{proven} of {len(report.results)} checks proven.")


def as_junit(report: Report, standins: Sequence[str] = ()) -> str:
    """The report as JUnit XML: one testcase a result; a host that was not asked is an error."""
    suite = ElementTree.Element(
        "testsuite",
        name="llmrack verify",
        tests=str(len(report.results) + len(report.not_run)),
        failures=str(len(report.failed)),
        errors=str(len(report.not_run)),
        timestamp=report.started_at.isoformat(timespec="seconds"),
    )
    if standins:
        properties = ElementTree.SubElement(suite, "properties")
        ElementTree.SubElement(properties, "property", name="standins", value=", ".join(standins))
    for result in report.results:
        case = ElementTree.SubElement(
            suite,
            "testcase",
            classname=f"{result.host}.{result.subject}",
            name=f"{result.check} on {result.instance}" if result.instance else result.check,
            time=f"{result.latency or 0:.3f}",
        )
        if not result.ok:
            ElementTree.SubElement(case, "failure", message=result.detail)
    for reason in report.not_run:
        case = ElementTree.SubElement(suite, "testcase", classname="hosts", name=reason)
        ElementTree.SubElement(case, "error", message=reason)
    suites = ElementTree.Element("testsuites")
    suites.append(suite)
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True)


def _host_table(host: str, results: Sequence[Result]) -> Table:
    drawn = Table(
        title=host,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    # A name without spaces may be longer than its column: folded, it is broken and not cut.
    longest = max(len(result.subject) for result in results)
    drawn.add_column("asked", overflow="fold", width=min(longest, NAME_WIDTH))
    drawn.add_column("instance", overflow="fold")
    drawn.add_column("result", overflow="fold")
    for heading in ("answer", "first\ntoken", "tokens\n/ s"):
        drawn.add_column(heading, justify="right", overflow="fold", width=NUMBER_WIDTH)
    for (subject, instance), row in _grouped(
        results, lambda result: (result.subject, result.instance)
    ).items():
        drawn.add_row(
            Text(subject),
            Text(instance),
            "; ".join(_outcome(row)),
            _seconds(result.latency for result in row),
            _seconds(result.first_token for result in row),
            _pace(row),
        )
    return drawn


def _grouped(results: Iterable[Result], key: Callable[[Result], _Key]) -> dict[_Key, list[Result]]:
    groups: dict[_Key, list[Result]] = {}
    for result in results:
        groups.setdefault(key(result), []).append(result)
    return groups


def _outcome(results: Sequence[Result]) -> Iterator[str]:
    for word, ok in (("FAILED", False), ("ok", True)):
        checks = [result.check for result in results if result.ok is ok]
        if checks:
            yield f"{word}: {', '.join(checks)}"


def _pace(results: Sequence[Result]) -> str:
    # A stream shows the model's own pace; a whole answer includes the time to its first token.
    streams_first = sorted(results, key=lambda result: result.first_token is None)
    rates = (result.tokens_per_second for result in streams_first)
    return next((f"{rate:.0f}" for rate in rates if rate is not None), "")


def _seconds(values: Iterable[float | None]) -> str:
    value = next((value for value in values if value is not None), None)
    if value is None:
        return ""
    return f"{value:.2f} s" if value < 100 else f"{value:.0f} s"


def _places(results: Iterable[Result]) -> Iterator[str]:
    for (subject, instance), same in _grouped(
        results, lambda result: (result.subject, result.instance)
    ).items():
        on = f" on {instance}" if instance else ""
        yield f"{subject}{on} ({', '.join(result.check for result in same)})"
