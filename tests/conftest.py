"""Fixtures for tests on lab hosts: one lab a session, its hosts reset cheaply."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.gateway_python import gateway_python
from llmrack_lab import gpus
from llmrack_lab.lab import Lab
from tests.lab.docs_pages import Clone
from tests.lab.fleet import bring_back_fleet
from tests.lab.site import ROOT, Site

HOSTS = 4
# The folders of tests on lab hosts.
FOLDERS = tuple(
    ROOT / "tests" / name for name in ("lab", "lab/faults", "scenarios", "soak", "kube")
)

# The session's lab, once there is one.
_labs: list[Lab] = []


def pytest_configure() -> None:
    """What a shell starts in the background ignores interrupts; the tests' processes heed them."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Quick tests first, so that a plain mistake shows in seconds.

    pytest-randomly shuffles modules and the tests in them. On lab hosts only the modules are
    shuffled: in a module each test looks at, or changes, what those before it deployed.
    """
    written = {item: place for place, item in enumerate(items)}
    yield
    modules: dict[Path, int] = {}
    for item in items:
        modules.setdefault(item.path, len(modules))

    def place(item: pytest.Item) -> tuple[bool, int, int]:
        on_hosts = item.path.parent in FOLDERS
        return on_hosts, modules[item.path], written[item] if on_hosts else 0

    items.sort(key=place)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """CI says last what failed: the outputs of four labs are mixed, and only an end may be kept."""
    if report.failed and (told := os.environ.get("LLMRACK_TEST_FAILED")):
        why = [line[:200] for line in report.longreprtext.splitlines() if line.startswith("E ")]
        with Path(told).open("a") as out:
            out.write("\n".join([f"FAILED {report.nodeid} ({report.when})", *why[-12:]]) + "\n")


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config
) -> None:
    """What failed can be run in the same order again."""
    seed = config.getoption("randomly_seed", None)
    if exitstatus == pytest.ExitCode.TESTS_FAILED and seed is not None:
        terminalreporter.write_line(f"the order was that of --randomly-seed={seed}")


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """A lab of four hosts, its own network; removed at the end unless LLMRACK_TEST_KEEP is set.

    LLMRACK_TEST_RELEASE is the hosts' release of Debian.
    """
    name = os.environ.get("LLMRACK_TEST_LAB", "test")
    subnet, suite = (os.environ.get(f"LLMRACK_TEST_{key}") for key in ("SUBNET", "RELEASE"))
    made = Lab(name, ROOT / ".lab", subnet, suite)
    made.up(HOSTS)
    _labs.append(made)
    yield made
    if "LLMRACK_TEST_KEEP" not in os.environ:
        made.down()


@pytest.fixture(scope="module", autouse=True)
def _cards_are_well(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every host ends a module with the cards that the lab gave it."""
    yield
    if request.node.path.parent not in FOLDERS or not _labs:
        return
    (made,) = _labs
    settings = json.loads((made.folder / "settings.json").read_text())
    for host in made.hosts():
        usual = gpus.pretence(host.name, int(settings["gpu_required"]))
        if gpus.declared(made.folder / host.name) != usual:
            host.set_gpus(len(usual.cards))


# Prints why other modules cannot deploy to a host: its service user has another home, or a program
# of another user has a port of llmrack's.
UNUSABLE = r"""
home=$(getent passwd llm | cut -d: -f6)
[ "${home:-/home/llm}" = /home/llm ] || echo "llm lives in $home"
ss -Hltnp '( sport = :11434 or sport = :4000 )' | grep -o 'pid=[0-9]*' | cut -d= -f2 | sort -u |
  while read -r pid; do
    user=$(stat -c %U "/proc/$pid")
    [ "$user" = llm ] || echo "$user has a port"
  done
"""


@pytest.fixture(scope="module", autouse=True)
def _hosts_are_usable(request: pytest.FixtureRequest) -> Iterator[None]:
    """Make a host as new if other modules cannot deploy to it any more."""
    yield
    if request.node.path.parent not in FOLDERS or not _labs:
        return
    for host in _labs[0].hosts():
        if host.ssh(UNUSABLE, check=False).stdout:
            host.reset()


@pytest.fixture(autouse=True)
def _providers_are_well(request: pytest.FixtureRequest) -> Iterator[None]:
    """No fault outlives the test that caused it."""
    yield
    if "lab" in request.fixturenames:
        made: Lab = request.getfixturevalue("lab")
        for service in ("cloud", "vllm", "openai", "office", "attic"):
            made.fault(service, "ok")


@pytest.fixture(scope="module")
def module_site(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A site for the tests of one module; they declare it and share what is deployed."""
    return Site(lab, tmp_path_factory.mktemp("site"))


@pytest.fixture
def site(lab: Lab, tmp_path: Path) -> Site:
    """A site of one's own, on hosts as they are."""
    return Site(lab, tmp_path)


@pytest.fixture(scope="session")
def fresh(lab: Lab) -> Callable[[str], None]:
    """Make a host as new: its disk is wiped."""
    return lambda name: lab.host(name).reset()


@pytest.fixture(scope="module")
def fleet_deployed(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Begin with hosts on which a gateway and two engines are deployed; see `tests.lab.fleet`."""
    bring_back_fleet(lab, tmp_path_factory.mktemp("fleet"))


@pytest.fixture(scope="module")
def _docs_deployed(
    lab: Lab, fresh: Callable[[str], None], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Two hosts as ``make demo`` makes them, and a release before the one that serves."""
    for name in ("box1", "box2"):
        fresh(name)
    clone = Clone(lab, tmp_path_factory.mktemp("clone"))
    clone.run("pyinfra inventory deploy.py -y --data gateway_cooldown=11")
    clone.run("pyinfra inventory deploy.py -y")


@pytest.fixture
def clone(lab: Lab, _docs_deployed: None, tmp_path: Path) -> Iterator[Clone]:
    """A clone of a page's own, and hosts that serve what it declares, whatever other pages did."""
    made = Clone(lab, tmp_path)
    made.run("pyinfra inventory deploy.py -y")
    yield made
    for left in lab.folder.glob("secrets.*"):
        left.unlink()


@pytest.fixture(scope="session", name="gateway_python")
def _gateway_python() -> Path:
    """A Python with the pinned LiteLLM, as a gateway release has it."""
    return gateway_python()
