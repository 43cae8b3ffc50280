"""Hosts whose ways in are not the usual ones, and every command of llmrack on them."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import pytest

from llmrack_lab.keys import write_private
from llmrack_lab.shell import wait_until
from tests.lab.site import STACK, UNSET, Run, Site
from tests.lab.ways import (
    BOX,
    JUMP,
    LINES,
    PASSWORD,
    asking,
    awkward,
    by_doas_and_ipv6,
    by_su,
    ipv6,
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

    def declare(self, hosts: Mapping[str, tuple[str, ...]]) -> None:
        folder = self.site.folder
        self.site.declare(
            hosts,
            WITH_KEY,
            env_file=str(folder / "env"),
            secrets_file=str(folder / "secrets.age"),
        )

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
    write_private(site.folder / "env", (site.lab.folder / "env").read_text())
    made = Awkward(site)
    made.declare(ONE)
    # A release to go back to.
    made.note("the first deploy", site.deploy("--data", "gateway_cooldown=11"))
    made.note("deploy", site.deploy(*LOUD))
    yield made
    plain(site)


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
    reached.declare(ONE)
    run = site.run("llmrack", "status", "--inventory", site.inventory)
    assert "its commands may not become root" in run.output
    assert "_sudo_password" in run.output
    site.own[BOX] = right | {"_sudo_password": UNSET}
    reached.declare(ONE)
    run = site.deploy()
    assert run.code == 1
    assert "sudo wants a password and there is no terminal" in run.output
    assert "Traceback" not in run.output
    site.own[BOX] = right


TWO = {JUMP: ("gpu",), BOX: ("gpu", "gateway")}


def test_su_with_a_password_and_a_copy_from_a_host_behind_another_port(
    reached: Awkward, fresh: Callable[[str], None]
) -> None:
    fresh(JUMP)
    site = reached.site
    site.own[JUMP] = by_su(site)
    reached.declare(TWO)
    run = reached.note("a deploy by su", site.deploy(*LOUD))
    about = [line for line in run.output.splitlines() if f"[{JUMP}] " in line]
    assert f"llama3.2:1b: copied from {BOX}" in run.output, "\n".join(about)
    assert PASSWORD not in run.output
    assert " su " in site.on(JUMP, f"cat {LINES}")
    assert PASSWORD not in site.on(JUMP, f"cat {LINES}")
    for words in (("status",), ("status", "--gpus"), ("logs",), ("releases",)):
        shown = site.run("llmrack", *words, "--inventory", site.inventory)
        assert shown.code == 0, shown.output
        assert "could not be asked" not in shown.output
    site.settled()


def test_doas_and_an_address_of_ipv6(reached: Awkward) -> None:
    site = reached.site
    site.own[JUMP] = by_doas_and_ipv6(site)
    # The firewall of an instance lets a gateway in from the gateway's address.
    site.own[BOX]["address"] = ipv6(site, 3)
    reached.declare(TWO)
    reached.note("a deploy by doas", site.deploy())
    shown = site.run("llmrack", "status", "--inventory", site.inventory)
    assert shown.code == 0, shown.output
    assert f"http://[{ipv6(site, 2)}]:11434" in shown.output
    site.settled()


def test_a_removal_leaves_no_services(reached: Awkward) -> None:
    site = reached.site
    run = site.run("pyinfra", site.inventory, "remove.py", "-y")
    reached.note("remove.py", run)
    for host in (JUMP, BOX):
        assert site.on(host, "getent passwd llm", check=False) == ""
