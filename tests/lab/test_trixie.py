"""Debian 13: deploy and proof, the bounds of safety, the scenario of one box, the removal.

The tests are those of other modules. The lab is one of its own, whose hosts have Debian 13: box1
and box2 are a fleet, box3 is a stranger to them. Then box1 alone is the box of the scenario.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from ipaddress import IPv4Network
from types import ModuleType

import pytest

from llmrack_lab.lab import Lab
from llmrack_lab.state import SUBNETS
from tests.lab import test_units
from tests.lab.faults import test_removal, test_safety
from tests.lab.site import ROOT, Run, Site
from tests.scenarios import test_one_box_gateway
from tests.scenarios.test_one_box_gateway import without_ollama  # noqa: F401  (its tests ask for it)

BOX = test_safety.BOX


def with_tests_of(
    module: ModuleType, *names: str, without: Collection[str] = ()
) -> Callable[[type], type]:
    """Let a class have tests of another module, all or those named, with fixtures of its own."""

    def add(tests: type) -> type:
        for name, test in vars(module).items():
            chosen = name in names if names else name not in without
            if name.startswith("test_") and chosen:
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
    """What can be seen of BOX before the first deploy."""
    test_removal.upgrade(module_site)
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


# Of the fleet, its guard and its node exporter stay on the box.
NOT_ALONE = (
    "test_nothing_of_it_can_be_reached_from_outside",
    "test_the_box_listens_where_it_was_declared_and_nowhere_else",
)
# What takes long, and has nothing to do with the release.
SLOW = (
    "test_tokens_by_provider_and_the_last_hour_are_those_that_a_client_counted",
    "test_what_somebody_edits_in_the_generated_file_is_undone",
    "test_a_cloud_model_falls_back_to_the_default_chain",
    "test_everything_is_back_without_a_login_after",
)


@with_tests_of(test_one_box_gateway, without=NOT_ALONE + SLOW)
class TestOneBox:
    """The scenario of one box, on the one that was the fleet's gateway."""

    @pytest.fixture(scope="class")
    def site(self, module_site: Site, first: Run) -> Iterator[Site]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(test_one_box_gateway, "BOX", BOX)
            module_site.declare(
                {BOX: ("gpu", "gateway")},
                test_one_box_gateway.STACK,
                **test_one_box_gateway.HOSTS["data"],
            )
            module_site.deployed()
            yield module_site

    def test_everything_is_back_without_a_login_after_a_reboot(self, site: Site, lab: Lab) -> None:
        test_one_box_gateway.test_everything_is_back_without_a_login_after(site, lab, "reboot")


class TestRemoval:
    """Of what was deployed, models alone stay."""

    def test_models_alone_stay(
        self, module_site: Site, first: Run, bare: test_removal.Host
    ) -> None:
        run = module_site.run("pyinfra", module_site.inventory, "remove.py", "-y")
        assert run.code == 0, run.output
        test_removal.assert_models_alone_stay(bare, test_removal.look(module_site))
