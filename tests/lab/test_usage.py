"""Usage, logs and tail of two gateways: one that serves, and one whose log is made up."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from llmrack.observe.requests.usage import stamp
from llmrack_lab.shell import wait_until
from tests import DEADLINE
from tests.lab.site import Site
from tests.unit.request_lines import FAILED, LINE

LOG = "/home/llm/.local/state/llmrack/requests"
# Answered, answered by another, refused by the provider.
MODELS = ["llama3.2:1b", "llama3.2:1b", "gpt-oss:20b-cloud", "no-such-model"]


@pytest.fixture(scope="module")
def site(module_site: Site, fresh: Callable[[str], None]) -> Site:
    """box1 serves and was asked MODELS; box2 was never deployed, and has a log."""
    fresh("box2")
    module_site.declare({"box1": ("gpu", "gateway"), "box2": ("gateway",)})
    module_site.only = "box1"
    module_site.deployed()
    module_site.as_service("box1", f"rm -f {LOG}/*")
    module_site.on("box2", f"useradd -m llm && su llm -c 'mkdir -p -m 700 {LOG}'")
    for model in MODELS:
        module_site.chat("box1", model)
    assert wait_until(lambda: len(noted(module_site)) == len(MODELS), DEADLINE)
    note(module_site, key="eve", attempts=[FAILED], position=1, cost=0.25)
    rested = {"instance": "box9", "model": "", "time": stamp(datetime.now(UTC))}
    note(module_site, "events", rested, event="aside", why="it answers 500")
    note(module_site, "events", rested, event="back", seconds=12.3)
    return module_site


def noted(site: Site) -> list[str]:
    return site.as_service("box1", f"cat {LOG}/requests.jsonl", check=False).splitlines()


def note(
    site: Site, log: str = "requests", like: dict[str, Any] | None = None, **fields: object
) -> None:
    """A line in the log of box2."""
    line = (like or {"time": stamp(datetime.now(UTC)), **LINE}) | fields
    site.on("box2", f"cat >> {LOG}/{log}.jsonl << 'END'\n{json.dumps(line)}\nEND")


def asked(site: Site, *command: str) -> dict[str, Any]:
    run = site.run("llmrack", *command, "--json", "-i", site.inventory)
    assert run.code == 0, run.output
    told: dict[str, Any] = json.loads(run.output)
    return told


def test_usage_is_what_clients_asked_of_both_gateways(site: Site) -> None:
    told = asked(site, "usage", "--last", "1h")
    calls = {group["name"]: group["calls"] for group in told["groups"]}
    assert calls == {"llama3.2:1b": 2, "gpt-oss:20b-cloud": 1, "no-such-model": 1, "llama": 1}
    lines = [json.loads(line) for line in noted(site)]
    tokens = sum(line["output_tokens"] for line in lines) + LINE["output_tokens"]
    assert (told["total"]["output_tokens"], told["damaged"]) == (tokens, 0)
    assert sum(bucket["calls"] for bucket in told["series"]) == 5
    assert told["total"]["cost"] == pytest.approx(0.25 + sum(line["cost"] for line in lines))


def test_usage_by_key_is_shown_at_eighty_columns(site: Site) -> None:
    run = site.run("llmrack", "usage", "--by", "key", "--plot", "-i", site.inventory)
    assert run.code == 0, run.output
    assert all(text in run.output for text in (" master ", " eve ", "latency, p95 in seconds"))
    assert max(map(len, run.output.splitlines())) <= 80, run.output


def test_logs_tell_what_went_wrong_at_both_gateways(site: Site) -> None:
    told = asked(site, "logs")
    errors = {(each["error"], each["instance"]) for each in told["errors"]}
    assert ("connection", "box2") in errors and len(errors) == 2
    assert told["chains"] == [
        {"asked": "llama", "served": "llama", "error": "connection", "requests": 1}
    ]
    (rest,) = told["aside"]
    assert (rest["gateway"], rest["instance"], rest["seconds"]) == ("box2", "box9", 12.3)
    assert told["calls"] == 5


def test_a_gateway_that_was_never_deployed_is_said(site: Site) -> None:
    site.on("box2", "usermod -l other llm")
    try:
        run = site.run("llmrack", "usage", "-i", site.inventory)
    finally:
        site.on("box2", "usermod -l llm other")
    assert run.code == 2
    assert "box2 could not be asked: " in run.output and "no user llm there" in run.output


class Tail:
    """A `llmrack tail --json` that runs."""

    def __init__(self, site: Site, *options: str) -> None:
        self.process = site.start("llmrack", "tail", "--json", "-i", site.inventory, *options)

    def until(self, wanted: str) -> str:
        """The next line with that in it."""
        assert self.process.stdout
        seen = []
        for line in self.process.stdout:
            seen.append(line)
            if wanted in line:
                return line
        raise AssertionError("".join(seen))


@pytest.fixture
def tail(site: Site) -> Iterator[Tail]:
    """It has told what both logs have."""
    made = Tail(site, "--last", "1h")
    made.until('"key": "eve"')
    yield made
    made.process.kill()
    made.process.communicate()


def followers(site: Site, host: str) -> str:
    return site.on(host, "pgrep -u llm -f module.main", check=False)


def test_tail_begins_with_the_past_in_the_order_of_its_time(site: Site) -> None:
    made = Tail(site, "--last", "1h")
    lines = [json.loads(made.until('"gateway"')) for _ in range(5)]
    made.process.kill()
    made.process.communicate()
    assert [line["gateway"] for line in lines] == ["box1"] * 4 + ["box2"]
    assert [line["model"] for line in lines[:4]] == MODELS


def test_tail_tells_a_request_when_it_is_over(site: Site, tail: Tail) -> None:
    answer = site.chat("box1", "llama3.2:1b")
    line = json.loads(tail.until(answer.headers["x-litellm-call-id"]))
    assert (line["gateway"], line["status"], line["key"]) == ("box1", 200, "master")


def test_tail_goes_on_when_the_log_is_put_aside(site: Site, tail: Tail) -> None:
    aside = f"requests-{datetime.now(UTC):%Y%m%dT%H%M%S}.999Z"
    site.on("box2", f"mv {LOG}/requests.jsonl {LOG}/{aside}.jsonl")
    note(site, id="after")
    assert json.loads(tail.until('"id": "after"'))["gateway"] == "box2"


def test_tail_comes_back_to_a_gateway_that_it_lost(site: Site, tail: Tail) -> None:
    site.on("box2", "pkill -KILL -u llm -f module.main")
    tail.until("box2: not followed: ")
    note(site, id="meanwhile")
    tail.until("box2: followed again")
    tail.until('"id": "meanwhile"')


def test_ctrl_c_ends_tail_quietly_and_what_ran_on_the_hosts(site: Site, tail: Tail) -> None:
    assert followers(site, "box1") and followers(site, "box2")
    tail.process.send_signal(signal.SIGINT)
    rest, _ = tail.process.communicate(timeout=DEADLINE)
    assert tail.process.returncode == 0
    assert all(line.startswith("{") for line in rest.splitlines()), rest
    assert wait_until(lambda: not followers(site, "box1") + followers(site, "box2"), DEADLINE)


def test_nothing_is_left_on_the_hosts_when_tail_is_killed(site: Site, tail: Tail) -> None:
    assert followers(site, "box1")
    tail.process.kill()
    assert wait_until(lambda: not followers(site, "box1") + followers(site, "box2"), DEADLINE)


def test_tail_filters_on_the_hosts(site: Site) -> None:
    made = Tail(site, "--last", "1h", "--errors", "--model", "no-such-model")
    assert json.loads(made.until('"gateway"'))["model"] == "no-such-model"
    made.process.send_signal(signal.SIGINT)
    rest, _ = made.process.communicate(timeout=DEADLINE)
    assert rest == ""


def test_a_box_follows_its_own_log(site: Site, tmp_path: Path) -> None:
    home = tmp_path / "home"
    log = home / ".local/state/llmrack/requests/requests.jsonl"
    log.parent.mkdir(parents=True)
    log.write_text(json.dumps({"time": stamp(datetime.now(UTC)), **LINE}) + "\n")
    data = {"service_user": "root", "service_home": str(home), "gateway_bind": "127.0.0.1"}
    data |= {"stack_file": str(site.folder / "stack.yaml")}
    groups = [f"{group} = [('@local', {data!r})]\n" for group in ("gpu", "gateway", "lab")]
    (tmp_path / "inventory").write_text("".join(groups))
    made = Tail(Site(site.lab, tmp_path), "--last", "1h")
    assert json.loads(made.until('"gateway"'))["gateway"] == "@local"
    made.process.send_signal(signal.SIGINT)
    rest, _ = made.process.communicate(timeout=DEADLINE)
    assert (made.process.returncode, rest) == (0, "")


def test_a_second_deploy_changes_nothing(site: Site) -> None:
    site.settled()
