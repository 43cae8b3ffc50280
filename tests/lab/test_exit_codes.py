"""What commands return: nothing that did not do its work looks like success.

Host: box1 (gpu, gateway).
"""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.lab.site import STACK, Run, Site

BOX = {"box1": ("gpu", "gateway")}


@pytest.fixture(scope="module")
def site(module_site: Site) -> Site:
    module_site.declare(BOX)
    module_site.deployed()
    module_site.settled()
    return module_site


def verify(site: Site, *options: str) -> Run:
    return site.run("llmrack", "verify", "-i", site.inventory, *options)


def verify_for_programs(site: Site, junit: Path) -> tuple[Run, dict[str, Any], ElementTree.Element]:
    """The run without its standard error, its JSON report, and the test suite in its XML."""
    llmrack = str(Path(sys.executable).parent / "llmrack")
    options = ("verify", "-i", site.inventory, "--json", "--junit", str(junit))
    run = site.run("/bin/sh", "-c", '"$0" "$@" 2>/dev/null', llmrack, *options)
    (suite,) = ElementTree.parse(junit).getroot()
    return run, json.loads(run.output), suite


def test_an_inventory_that_is_not_there_is_no_success(site: Site) -> None:
    run = site.run("pyinfra", "nowhere", "deploy.py", "-y")
    assert run.code == 1
    sentence = "the inventory has no hosts, so nothing was done: check its name and its groups"
    assert sentence in run.output


def test_a_limit_that_matches_nothing_is_no_success(site: Site) -> None:
    run = site.deploy("--limit", "nothing")
    assert run.code == 1
    sentence = "--limit/--exclude leave no host, so nothing was done; the inventory has: box1"
    assert sentence in run.output
    assert "Traceback" not in run.output


def test_an_exclusion_of_everything_is_no_success(site: Site) -> None:
    run = site.deploy("--exclude", "box1")
    assert run.code == 1
    assert "--limit/--exclude leave no host" in run.output


def test_mistakes_in_the_declaration_end_a_deploy_before_any_host_is_touched(site: Site) -> None:
    try:
        site.declare(BOX, STACK | {"default_chain": ["gpt-oss:20b-clud"]})
        run = site.deploy("--debug")
    finally:
        site.declare(BOX)
    assert run.code == 1
    assert "did you mean 'gpt-oss:20b-cloud'?" in run.output
    assert "Traceback" not in run.output
    assert not run.commands


def test_an_interrupt_is_no_success(site: Site) -> None:
    # What hangs gives the interrupt its time: a run that changes nothing is over in a moment.
    site.fault("cloud", "hang")
    with site.start("pyinfra", site.inventory, "verify.py", "-y") as deploy:
        assert deploy.stdout
        for line in deploy.stdout:
            if "Starting operation" in line:
                break
        deploy.send_signal(signal.SIGINT)
        rest = deploy.stdout.read()
        assert deploy.wait(10) == 130
    assert rest.endswith("Interrupted: the run is incomplete. Run it again and it goes on.\n")
    assert "Traceback" not in rest


def test_verify_exits_0_when_all_is_proven(site: Site) -> None:
    run = verify(site)
    assert run.code == 0, run.output
    assert "checks proven." in run.output and "FAILED" not in run.output


def test_verify_exits_1_when_something_is_not_proven(site: Site, tmp_path: Path) -> None:
    site.lab.fault("cloud", "500")
    run, report, suite = verify_for_programs(site, tmp_path / "junit.xml")
    assert (run.code, report["ok"], report["exit_code"]) == (1, False, 1)
    failed = [result["check"] for result in report["results"] if not result["ok"]]
    assert failed and suite.get("failures") == str(len(failed))
    assert suite.get("tests") == str(len(report["results"]))


def test_verify_tells_programs_the_same(site: Site, tmp_path: Path) -> None:
    run, report, suite = verify_for_programs(site, tmp_path / "junit.xml")
    assert (run.code, report["ok"], report["exit_code"]) == (0, True, 0), run.output
    assert {result["host"] for result in report["results"]} == {"box1"}
    assert "cloud" in report["standins"]
    assert (suite.get("failures"), suite.get("errors")) == ("0", "0")


@pytest.mark.parametrize("options", [("--limit", "nothing"), ("-i", "nowhere")])
def test_verify_exits_2_when_nothing_can_be_asked(site: Site, options: tuple[str, ...]) -> None:
    run = verify(site, *options)
    assert run.code == 2
    assert run.output.endswith("nothing could be asked: see the messages above\n")


def test_verify_exits_2_when_a_host_does_not_answer(site: Site) -> None:
    box1 = site.lab.host("box1")
    box1.kill()
    try:
        run = verify(site)
    finally:
        box1.power_cut()
    assert run.code == 2, run.output
