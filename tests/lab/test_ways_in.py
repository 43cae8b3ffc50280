"""Hosts whose ways in are not the usual ones, and every command of llmrack on them."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from llmrack_lab.keys import write_private
from llmrack_lab.shell import wait_until
from tests.lab.site import STACK, UNSET, Run, Site
from tests.lab.ways import (
    BOX,
    COMMANDS,
    LINES,
    PASSWORD,
    asking,
    awkward,
    every_command,
    plain,
)

pytestmark = pytest.mark.timeout(1500)
# It is built from what is sent to a command's standard input.
HELPER = {"provider": "local", "create": {"from": "llama3.2:1b", "system": "Be brief."}}
WITH_KEY = STACK | {
    "models": STACK["models"] | {"helper": HELPER},
    "keys": {"editor": {"models": ["helper"]}},
}
ONE = {BOX: ("gpu", "gateway")}
LOUD = ("-vvv", "--debug", "--diff")


@dataclass
class Awkward:
    """The site, and everything that was printed.

    + runs: what each command printed, by its words
    """

    site: Site
    runs: dict[str, Run] = field(default_factory=dict)

    def note(self, name: str, run: Run) -> Run:
        self.runs[name] = run
        assert run.code == 0, f"{name}: {run.output}"
        return run


@pytest.fixture(scope="module")
def reached(module_site: Site, fresh: Callable[[str], None]) -> Iterator[Awkward]:
    """A host that is deployed over its way in, with a password for sudo and no terminal."""
    site = module_site
    fresh(BOX)
    site.own = {BOX: awkward(site)}
    env_file = site.folder / "env"
    write_private(env_file, (site.lab.folder / "env").read_text())
    site.declare(
        ONE, WITH_KEY, env_file=str(env_file), secrets_file=str(site.folder / "secrets.age")
    )
    made = Awkward(site)
    # A release to go back to.
    made.note("the first deploy", site.deploy("--data", "gateway_cooldown=11"))
    made.note("deploy", site.deploy(*LOUD))
    yield made
    plain(site)


def test_no_command_is_forgotten() -> None:
    assert set(COMMANDS) == every_command()


def test_a_deploy_is_proven_and_settles(reached: Awkward) -> None:
    assert "checks proven" in reached.runs["deploy"].output
    reached.site.settled()


def _followed(site: Site, *words: str) -> Run:
    """What a command prints that follows until Ctrl-C, once its program runs on the host."""
    process = site.start("llmrack", *words)
    assert wait_until(lambda: "module.main" in site.on(BOX, "pgrep -u llm -af python3"), 30)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    return Run(process.returncode, output)


@pytest.mark.parametrize("words", asking(), ids=" ".join)
def test_a_command_gets_its_answer(reached: Awkward, words: tuple[str, ...]) -> None:
    filled = [word.format(folder=reached.site.folder) for word in words]
    inventory = ("--inventory", reached.site.inventory)
    if words[0] == "tail":
        run = _followed(reached.site, *filled, *inventory)
        assert "not followed" not in run.output
    else:
        run = reached.site.run("llmrack", *filled, *inventory)
    reached.note(" ".join(words), run)
    assert "could not be asked" not in run.output


def test_the_password_is_in_no_command_line_and_no_output(reached: Awkward) -> None:
    host = reached.site.on
    assert "sudo -H -k -S" in host(BOX, f"cat {LINES}")
    assert PASSWORD not in host(BOX, f"cat {LINES}")
    assert PASSWORD not in host(BOX, "journalctl -q --no-pager -o cat")
    assert host(BOX, "ls /tmp | grep -c askpass", check=False) == "0"
    for name, run in reached.runs.items():
        assert PASSWORD not in run.output, name


def test_a_wrong_password_is_told(reached: Awkward) -> None:
    site = reached.site
    right = site.own[BOX]
    site.own[BOX] = right | {"_sudo_password": "wrong"}
    site.declare(ONE, WITH_KEY)
    run = site.run("llmrack", "status", "--inventory", site.inventory)
    assert "its commands may not become root" in run.output
    assert "_sudo_password" in run.output
    site.own[BOX] = right | {"_sudo_password": UNSET}
    site.declare(ONE, WITH_KEY)
    run = site.deploy()
    assert run.code == 1
    assert "sudo wants a password and there is no terminal" in run.output
    assert "Traceback" not in run.output
    site.own[BOX] = right
