"""The beginning of a run: the declaration is read, and every host looked at."""

from __future__ import annotations

import gc
import secrets as random
from contextlib import suppress
from pathlib import Path

import gevent
from gevent.lock import BoundedSemaphore
from pyinfra import logger
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.host import Host as PyinfraHost
from pyinfra.api.state import State as PyinfraState
from pyinfra.context import ctx_config, ctx_host

from llmrack.components.plan import by_component
from llmrack.deploy.before.refusals import notes, refusals
from llmrack.deploy.run.rack import Purpose, Rack, Run
from llmrack.hosts.guard import Refusal
from llmrack.problems import DeclarationError
from llmrack.resources.change import Resource
from llmrack.secrets.store import ensure_master_key
from llmrack.site.declared import read
from llmrack.stack.checks.checks import warnings


def _declared(rack: Rack, arch: str, credentials: bool) -> dict[str, list[Resource]]:
    """Everything the host shall have, by component."""
    run = rack.run
    site = run.declared.with_fleet(run.fleet)
    return by_component(site, rack.host, arch, run.nonce, credentials)


DEPLOY = Purpose(_declared, refusals, notes)


def rack(state: PyinfraState, host: PyinfraHost, purpose: Purpose = DEPLOY) -> Rack:
    """The rack of ``host`` in this run; the declaration is read once for all hosts.

    + purpose: what the run is for

    Raises Refusal with every mistake in the declaration, before any host is touched.
    """
    # Reading may wait, and then another host's greenlet comes here.
    if not hasattr(state, "llmrack_start"):
        state.llmrack_start = BoundedSemaphore()  # type: ignore[attr-defined]
    with state.llmrack_start:  # type: ignore[attr-defined]
        run: Run | None = getattr(state, "llmrack_run", None)
        is_first = run is None
        if run is None:
            run = _start(state)
            for active in state.inventory.get_active_hosts():
                # Not pyinfra's stand-in for the current host: greenlets outlive that.
                run.racks[str(active.name)] = Rack(run, active, purpose)
            state.llmrack_run = run  # type: ignore[attr-defined]
    if is_first:
        _look_at_cards(state, run)
    run.ready.wait()
    rack = run.racks[host.name]
    # Looked at now, the hosts answer while the operations of the others are registered.
    # What fails is told by the operation that needs it, for this host alone.
    with suppress(PyinfraError):
        rack.look()
    if rack.host.bundle and rack.is_seen:
        from llmrack.deploy.transfer.bundled import insist_on_sound_files

        insist_on_sound_files(rack.all_changes, rack.host.bundle)
    return rack


def _look_at_cards(state: PyinfraState, run: Run) -> None:
    """Hosts whose cards decide what others are told come first, all at once."""

    def look(rack: Rack) -> None:
        with (
            ctx_config.use(state.config.copy()),
            ctx_host.use(rack.pyinfra_host),
            suppress(PyinfraError),
        ):
            rack.look()

    racks = [rack for rack in run.racks.values() if rack.has_instance_per_gpu]
    gevent.joinall([gevent.spawn(look, rack) for rack in racks])
    run.ready.set()


def _start(state: PyinfraState) -> Run:
    folder = Path(state.cwd or ".")
    try:
        declared = read(state.inventory, folder)
        if file := ensure_master_key(declared.places):
            logger.info(f"generated LITELLM_MASTER_KEY in {file}")
            declared = read(state.inventory, folder)
    except DeclarationError as error:
        raise Refusal(f"the declaration has mistakes; no host was touched\n{error}") from None
    for warning in warnings(declared.declaration):
        logger.warning(f"{warning}")
    # What was imported so far stays: searching it for garbage, at the latest at exit, costs 70 ms.
    gc.freeze()
    return Run(declared, random.token_hex(16), folder)
