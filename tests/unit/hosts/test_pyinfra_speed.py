"""What is spared of pyinfra's work changes nothing about its results."""

from __future__ import annotations

import inspect
from importlib.metadata import entry_points
from types import SimpleNamespace
from typing import Any

import pytest
from pyinfra.api import connectors, util

from llmrack.hosts import pyinfra_speed


@pytest.fixture(autouse=True)
def _restored(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the test pyinfra is as it was."""
    monkeypatch.setattr(connectors, "entry_points", connectors.entry_points)
    monkeypatch.setattr(util, "stack", inspect.stack)
    monkeypatch.setattr(util, "getframeinfo", inspect.getframeinfo)


def test_operations_keep_their_order() -> None:
    state: Any = SimpleNamespace(current_deploy_filename=__file__, current_op_file_number=0)
    orders = []
    for install in (lambda: None, pyinfra_speed.install):
        install()
        orders.append(util.get_operation_order_from_stack(state))
    assert orders[0] == orders[1]
    assert len(orders[0]) > 0


def test_no_source_code_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    pyinfra_speed.install()
    monkeypatch.setattr(inspect, "findsource", None)
    util.get_operation_order_from_stack(
        SimpleNamespace(current_deploy_filename=__file__, current_op_file_number=0)
    )


def test_installed_packages_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reads = []

    def read(**names: str) -> object:
        reads.append(names)
        return entry_points(**names)

    monkeypatch.setattr(connectors, "entry_points", read)
    pyinfra_speed.install()
    assert connectors.get_execution_connector("ssh").__name__ == "SSHConnector"
    assert connectors.get_execution_connector("local").__name__ == "LocalConnector"
    assert reads == [{"group": "pyinfra.connectors"}]
