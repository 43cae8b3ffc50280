"""The report's page: what it says, of whom, and that nobody can write into it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from llmrack.commands.report import report
from llmrack.deploy.proof.operation import REPORT_FILE, ReportAtEnd
from llmrack.observe import figures
from llmrack.observe.report.page import Findings, page
from llmrack.observe.report.report import write_report
from llmrack.observe.report.usage import by_group, trends
from llmrack.observe.status.server_status import Status
from llmrack.verify.last_report import last_proof
from tests.page.made_up import GROUPS, NOW, ROWS, findings, results

HOSTILE = "\"><script>alert(1)</script><img src=x onerror='alert(2)'>{{ 7*7 }}"


class Elements(HTMLParser):
    """The elements of a page, and the text outside of style."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self._style = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += attrs
        self._style = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._style = self._style and tag != "style"

    def handle_data(self, data: str) -> None:
        self.text += "" if self._style else data


def text(findings: Findings) -> str:
    """What a reader reads, on one line."""
    return " ".join(Elements(page(findings)).text.split())


def hostile() -> Findings:
    """Every name and reason that comes from elsewhere wants to be more than text."""
    content = findings()
    usages = {}
    for by, usage in content.usage.items():
        group = replace(usage.groups[0], name=HOSTILE, errors={HOSTILE: 3})
        usages[by] = replace(usage, groups=(group,), unreached={HOSTILE: HOSTILE})
    row = ROWS[2]
    row = replace(
        row,
        name=HOSTILE,
        why=HOSTILE,
        version=HOSTILE,
        url=HOSTILE,
        loaded=(replace(row.loaded[0], model=HOSTILE),),
        cards=(replace(row.cards[0], name=HOSTILE),),
    )
    result = replace(results()[0], ok=False, detail=HOSTILE, instance=HOSTILE, subject=HOSTILE)
    assert content.proof
    return replace(
        content,
        status=Status((row,)),
        usage=usages,
        proof=replace(content.proof, results=(result,), not_run=(HOSTILE,)),
        standins=(HOSTILE,),
    )


def test_nobody_writes_into_the_page():
    elements = Elements(page(hostile()))
    assert not {"script", "img", "iframe", "link", "object"} & set(elements.names)
    assert not [name for name, _ in elements.attributes if name.startswith("on")]
    assert elements.text.count("<script>alert(1)</script>") > 15
    assert "{{ 7*7 }}" in elements.text


def test_page_names_no_other_place():
    elements = Elements(page(findings()))
    targets = [value or "" for name, value in elements.attributes if name in ("src", "href")]
    assert targets and all(target.startswith("#") for target in targets)
    css = re.search(r"<style>(.*?)</style>", page(findings()), re.S)
    assert css and "@import" not in css[1]
    assert {part[0] for part in re.findall(r"url\((.)", css[1])} == {"#"}


def test_every_id_is_there_once_and_every_reference_leads_to_one():
    attributes = Elements(page(findings())).attributes
    ids = [value for name, value in attributes if name == "id"]
    assert len(ids) == len(set(ids))
    wanted = {part for name, value in attributes if name == "aria-labelledby"
              for part in str(value).split()}  # fmt: skip
    wanted |= {str(value)[1:] for name, value in attributes if name == "href"}
    assert wanted <= set(ids)


def test_page_says_first_what_is_wrong():
    assert findings().exit_code == 1
    sentence = "Not all is well: box2 is in trouble; 1 check of the last verification failed."
    assert sentence in text(findings())


def test_page_says_when_all_is_well():
    content = findings(well=True)
    assert content.exit_code == 0 and "All is well." in text(content)


def test_gateway_that_could_not_be_asked_is_named_with_the_reason():
    content = findings(well=True)
    usage = {
        by: replace(part, unreached={"box9": "no route"}) for by, part in content.usage.items()
    }
    content = replace(content, usage=usage)
    assert content.exit_code == 2
    assert "The requests of box9 are not counted here: no route" in text(content)


def test_damaged_lines_are_said():
    assert "3 lines of the request logs cannot be read, and are not counted." in text(findings())


def test_page_without_a_proof_says_how_to_get_one():
    content = replace(findings(well=True), proof=None)
    assert content.exit_code == 0 and "run llmrack verify" in text(content)


def test_failed_check_is_told_with_its_way_out():
    assert "resident: llama3.1:latest is 38 % on the GPU: free its memory" in text(findings())


def without_requests() -> Findings:
    content = findings(well=True)
    nothing = replace(
        content.now.total, calls=0, errors={}, fallbacks=0, input_tokens=0, output_tokens=0,
        cost=0.0, latency=None, first_token=None, tokens_per_second=None,
    )  # fmt: skip
    return replace(
        content, usage={"model": replace(content.now, groups=(), total=nothing, series=())}
    )


def test_page_of_a_time_without_requests_says_so():
    assert "Nothing was asked in this time." in text(without_requests())


def test_page_does_not_say_that_nothing_was_asked_where_that_is_not_known():
    findings = without_requests()
    usage = {"model": replace(findings.now, unreached={"box1": "no route"})}
    assert "What was asked is not known." in text(replace(findings, usage=usage))


def test_trends_are_told_in_words():
    content = findings()
    texts = {trend.name: trend.change for trend in trends(content.now, content.before)}
    assert (texts["Requests"], texts["Errors"], texts["Cost"]) == ("up 14 %", "the same", "up 29 %")


@pytest.mark.parametrize(
    ("now", "before", "words"),
    [
        (0, 0, "the same"),
        (5, 0, "up from nothing"),
        (0, 5, "down 100 %"),
        (101, 100, "about the same"),
        (150, 100, "up 50 %"),
        (700, 100, "up, 7 times as much"),
        (None, 1, "not known"),
    ],
)
def test_change_in_words(now: float | None, before: float | None, words: str):
    assert figures.change(now, before) == words


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (figures.short(999), "999"),
        (figures.short(999_999), "1.00 M"),
        (figures.short(123_456), "123 k"),
        (figures.seconds(0.0415), "42 ms"),
        (figures.seconds(0.9996), "1.00 s"),
        (figures.seconds(12.34), "12.3 s"),
        (figures.seconds(125), "2 min 5 s"),
        (figures.money(0), "$0.00"),
        (figures.money(0.00021), "$0.00021"),
        (figures.money(1234.5), "$1,234.50"),
        (figures.share(1, 3), "33 %"),
        (figures.share(1, 0), figures.NONE),
        (figures.span(timedelta(days=1)), "24 h"),
        (figures.span(timedelta(days=30)), "30 d"),
        (figures.span(timedelta(minutes=90)), "90 min"),
        (figures.ago(timedelta(hours=7, minutes=12)), "7 h"),
    ],
)
def test_number_is_written(written: str, shown: str):
    assert written == shown


def test_groups_with_most_calls_come_first_and_the_rest_is_counted():
    usage = findings().now
    many = tuple(replace(usage.groups[0], name=f"n{at}", calls=at) for at in range(25))
    lines = by_group(replace(usage, groups=many))
    assert [part.group.calls for part in lines.lines] == list(range(24, 4, -1))
    assert lines.left_out == 5
    assert lines.lines[0].calls == 100


def test_made_up_groups_add_up():
    sums = {sum(group.calls for group in groups) for groups in GROUPS.values()}
    assert sums == {findings().now.total.calls}


def test_page_appears_whole_and_readable_by_others(tmp_path: Path):
    file = write_report(findings(), tmp_path / "new" / "folder")
    assert file.read_text().endswith("</html>")
    assert file.stat().st_mode & 0o777 == 0o644
    assert [part.name for part in file.parent.iterdir()] == ["index.html"]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[timedelta]:
    """Hosts that answer with the made-up day; the periods that they were asked for."""
    periods = []

    def answer(gateways: object, folder: Path, last: timedelta) -> Findings:
        periods.append(last)
        return findings()

    monkeypatch.setattr("llmrack.commands.report.gateways", lambda inventory: None)
    monkeypatch.setattr("llmrack.observe.report.report.ask_report", answer)
    return periods


def test_command_writes_the_page_and_ends_with_the_state_of_all(asked, tmp_path: Path):
    done = CliRunner().invoke(report, ["-o", str(tmp_path / "out"), "--last", "7d"])
    assert done.exit_code == 1 and asked == [timedelta(days=7)]
    assert str(tmp_path / "out" / "index.html") in done.stdout
    assert "box3: its requests are not counted: no connection: timed out" in done.stderr
    assert NOW.strftime("%Y-%m-%d %H:%M") in (tmp_path / "out" / "index.html").read_text()


def test_folder_that_cannot_be_written_is_a_sentence(asked, tmp_path: Path):
    (tmp_path / "file").touch()
    done = CliRunner().invoke(report, ["-o", str(tmp_path / "file" / "out")])
    assert done.exit_code == 2
    assert "cannot be written to" in done.stderr and "with -o" in done.stderr


def test_graph_of_the_fleet_is_on_the_page():
    assert "llama3.1:latest: 1 qwen-coder, 2 gpt-oss:120b-cloud." in text(findings())


class _Hosts(list[SimpleNamespace]):
    """An inventory of which every host takes part."""

    def get_active_hosts(self) -> list[SimpleNamespace]:
        return self


@pytest.mark.parametrize("by_verify", [False, True])
def test_every_proof_is_kept_for_the_page(
    by_verify: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    if by_verify:
        monkeypatch.setenv(REPORT_FILE, str(tmp_path / "asked for"))
    box = SimpleNamespace(name="box1", data=SimpleNamespace(get=lambda name: ["vllm"]))
    rack = SimpleNamespace(pyinfra_host=box, run=SimpleNamespace(digest="d"))
    state = SimpleNamespace(cwd=str(tmp_path), inventory=_Hosts([box]), failed_hosts=set())
    at_end = ReportAtEnd()
    at_end.add(rack, [results()[0]])
    at_end.operation_host_success(state, box, "")
    kept = last_proof(tmp_path)
    assert kept and (kept[0].results, kept[1]) == ((results()[0],), ["vllm"])
