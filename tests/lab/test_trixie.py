"""Debian 13: deploy and proof, bounds of safety, removal, and the scenario of one box.

The tests are those of other modules. The lab is one of its own, whose hosts have Debian 13: box1
and box2 are those of test_safety, box3 is a stranger to them, and then that of the scenario.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from ipaddress import IPv4Network
from types import ModuleType

import pytest

from llmrack_lab.lab import Lab
from llmrack_lab.state import SUBNETS
from tests.lab import test_units
from tests.lab.faults import test_host, test_removal, test_safety
from tests.lab.site import ROOT, Run, Site
from tests.scenarios import test_one_box_gateway
from tests.scenarios.test_one_box_gateway import without_ollama  # noqa: F401  (its tests ask for it)

# Of the fleet's removal they are the box before and after.
BOX = test_safety.BOX


def with_tests_of(module: ModuleType, *names: str) -> Callable[[type], type]:
    """Let a class have tests of another module, all or those named, with fixtures of its own."""

    def add(tests: type) -> type:
        for name, test in vars(module).items():
            if name.startswith("test_") and (name in names or not names):
                setattr(tests, name, staticmethod(test))
        return tests

    return add


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """A lab of its own beside that of this process, in the network after it."""
    name = os.environ.get("LLMRACK_TEST_LAB", "test")
    network = IPv4Network(os.environ.get("LLMRACK_TEST_SUBNET", SUBNETS["test"]))
    beside = f"{network.network_address + network.num_addresses}/{network.prefixlen}"
    made = Lab(f"{name[:6]}13", ROOT / ".lab", beside, "trixie")
    made.down()
    made.up(3)
    yield made
    made.down()


@pytest.fixture(scope="module")
def bare(module_site: Site) -> test_removal.Host:
    """What can be seen of box1 before the first deploy."""
    return test_removal.look(module_site)


@pytest.fixture(scope="module")
def first(module_site: Site, bare: test_removal.Host) -> Run:
    """The first deploy of the fleet."""
    module_site.declare(test_safety.HOSTS, test_safety.WARM)
    return module_site.deployed()


@with_tests_of(
    test_units,
    "test_what_it_forbids_fails_inside_and_only_there",
    "test_the_server_itself_is_in_the_sandbox_that_was_probed",
    "test_the_server_sees_the_machine_read_only",
    "test_a_killed_server_comes_back_and_leaves_no_child_behind",
)
@with_tests_of(test_safety)
@with_tests_of(test_host, "test_packages_wait_while_another_program_uses_apt")
class TestFleet:
    """A gateway, two engines and a monitor."""

    @pytest.fixture(scope="class")
    def site(self, module_site: Site, first: Run) -> Site:
        return module_site

    @pytest.fixture(scope="class")
    def units(self, site: Site, lab: Lab) -> Iterator[test_units.Units]:
        yield from test_units.probed(site, lab)

    def test_the_hosts_have_debian_13(self, site: Site) -> None:
        about = site.on(BOX, ". /etc/os-release; echo $VERSION_CODENAME; systemctl --version")
        assert about.split()[:3] == ["trixie", "systemd", "257"]

    def test_the_first_deploy_proves_what_it_serves(self, first: Run) -> None:
        assert "checks proven" in first.output and "not proven" not in first.output

    def test_the_second_changes_nothing(self, site: Site) -> None:
        site.settled()


class TestRemoval:
    """The fleet, removed."""

    def test_models_alone_stay(
        self, module_site: Site, first: Run, bare: test_removal.Host
    ) -> None:
        run = module_site.run("pyinfra", module_site.inventory, "remove.py", "-y")
        assert run.code == 0, run.output
        test_removal.assert_models_alone_stay(bare, test_removal.look(module_site))


@with_tests_of(test_one_box_gateway)
class TestOneBox:
    """The scenario of one box."""

    @pytest.fixture(scope="class")
    def site(self, lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Site:
        declared = test_one_box_gateway.HOSTS
        site = Site(lab, tmp_path_factory.mktemp("one-box"))
        site.declare(declared["hosts"], test_one_box_gateway.STACK, **declared["data"])
        site.deployed()
        return site
