"""A host as pyinfra knows it, without a connection."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from pyinfra.api.config import Config
from pyinfra.connectors.util import CommandOutput

Ran = tuple[bool, CommandOutput]


def fake_host(run: Callable[..., Ran] | None = None, ended: bool = False) -> Any:
    """A host that answers commands by ``run``; ``ended``: its connection has broken."""
    transport = SimpleNamespace(is_active=lambda: not ended, get_username=lambda: "root", sock=None)
    config = Config()  # type: ignore[no-untyped-call]
    client = SimpleNamespace(get_transport=lambda: transport)
    return SimpleNamespace(
        name="box1",
        print_prefix="[box1] ",
        connector=SimpleNamespace(client=client, run_shell_command=run),
        connector_data={},
        data=SimpleNamespace(),
        current_deploy_kwargs=None,
        state=SimpleNamespace(print_input=False, config=config, is_executing=False),
        run_shell_command=run,
    )
