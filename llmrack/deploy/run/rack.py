"""A host in a run: what is declared for it, what was seen of it, what differs."""

from __future__ import annotations

import gc
import secrets as random
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path

import gevent
from pyinfra import logger
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.host import Host as PyinfraHost
from pyinfra.api.state import State as PyinfraState
from pyinfra.context import ctx_config, ctx_host

from llmrack.components import listeners
from llmrack.components.gateway import gateway
from llmrack.components.gpu import gpu
from llmrack.components.gpu.gpus import Gpus, gpus, line, uuids
from llmrack.components.gpu.states import State
from llmrack.components.ollama.models_seen import ModelSeen, seen_models
from llmrack.components.paths import Home
from llmrack.components.plan import COMPONENTS, by_component
from llmrack.components.system import system
from llmrack.deploy.before.disk_space import unfit_disks
from llmrack.deploy.before.local_files import wrong_files
from llmrack.deploy.run.lock import LAST_RUN, Lock
from llmrack.deploy.run.run import Run
from llmrack.hosts.connection import needs_sudo, tune
from llmrack.hosts.guard import Refusal
from llmrack.hosts.snapshot import Snapshot
from llmrack.problems import DeclarationError
from llmrack.resources.change import Change, Resource, plan
from llmrack.resources.files import File
from llmrack.resources.look import Look, Seen, parse
from llmrack.resources.packages import ARCHITECTURES
from llmrack.secrets.store import ensure_master_key
from llmrack.site.declared import read
from llmrack.stack.checks.host_checks import warnings
from llmrack.stack.engines import models_folder
from llmrack.stack.fleet import GATEWAY_GROUP, Host, is_engine


class Rack:
    """The host that is being deployed."""

    def __init__(self, run: Run, host: PyinfraHost, state: PyinfraState) -> None:
        self.run = run
        self.pyinfra_host = host
        self.state = state
        self.sudo = needs_sudo(host)
        self.refused = False
        self.lock: Lock | None = None
        self._seen: Seen | None = None
        self._seen_in_execute = False
        self._seen_edition = -1
        self._resources: dict[tuple[str, bool, int], dict[str, list[Resource]]] = {}
        self._got: dict[str, ModelSeen] = {}
        tune(host)

    @property
    def host(self) -> Host:
        """What is declared for the host, with its cards as far as they are known."""
        return next(each for each in self.run.fleet.hosts if each.name == self.pyinfra_host.name)

    @property
    def home(self) -> Home:
        """The service user's folders."""
        return Home(self.host.settings.service_user, self.host.settings.service_home)

    @property
    def proof(self) -> File:
        """The mark of a passed verification, and of what it was about."""
        content = f"{self.run.digest}\n"
        return File(f"{self.home.config}/proven", content, self.home.user, 0o600)

    def resources(self, arch: str) -> dict[str, list[Resource]]:
        """Everything the host shall have, by component."""
        pinned = self.host.settings.ollama_sha256
        if arch not in pinned:
            # Such a host is refused; until then it is planned for like any other.
            arch = min(pinned)
        # A host that was not seen yet is taken for a current one.
        credentials = self._seen is None or gateway.has_credentials(self._systemd)
        key = arch, credentials, self.run.edition
        if key not in self._resources:
            declared = self.run.declared
            self._resources[key] = by_component(
                declared.stack,
                self.run.fleet,
                self.host,
                declared.secrets,
                self.run.nonce,
                arch,
                credentials,
                declared.client_keys,
            )
        return self._resources[key]

    @property
    def seen(self) -> Seen:
        """The snapshot.

        It is taken once; once more when a plan has waited for a person's word, and whenever the
        fleet's cards turn out to be others than those it was taken for.
        """
        if self.state.is_executing and not self._seen_in_execute and self.state.check_for_changes:
            self._seen = None
        while self._seen is None or self._seen_edition != self.run.edition:
            self._seen_edition = self.run.edition
            self._seen = self._look()
            self._seen_in_execute = self.state.is_executing
            self.__dict__.pop("changes", None)
            self._note_cards()
        return self._seen

    @property
    def is_seen(self) -> bool:
        """Whether the host has answered."""
        return self._seen is not None

    def forget(self) -> None:
        """The host is another one now: look again before the next component."""
        self._seen = None

    def _look(self) -> Seen:
        settings = self.host.settings
        look = Look()
        system.look(self.run.declared.stack, self.host, look)
        listeners.look(self.run.declared.stack, self.run.fleet, self.host, look)
        # Until the host has said what it is, its architecture is not known: all that are pinned.
        for arch in settings.ollama_sha256:
            for resources in self.resources(arch).values():
                for resource in resources:
                    resource.look(look)
        self.proof.look(look)
        look.notes.add(LAST_RUN)
        try:
            lines = self.pyinfra_host.get_fact(
                Snapshot, look=look, nonce=self.run.nonce, _sudo=self.sudo
            )
            seen = parse(lines, look, settings.keep_edits)
            self.run.last_runs.setdefault(self.host.name, seen.notes.get(LAST_RUN, ""))
            return seen
        except EOFError:
            raise PyinfraError(
                f"{self.host.name}: sudo wants a password and there is no terminal to ask for it: "
                "log in as root, or let the login user run sudo without one"
            ) from None
        except ValueError as error:
            raise PyinfraError(f"{self.host.name}: {error}") from None

    @property
    def gpus(self) -> Gpus:
        """The host's GPUs."""
        return gpus(self.seen, self.host.settings.service_user)

    def _note_cards(self) -> None:
        """Instances follow from the cards. A host whose cards fail keeps those it had."""
        if not self.has_instance_per_gpu or self._seen is None:
            return
        its = gpus(self._seen, self.host.settings.service_user)
        if its.state == State.FINE or not self.host.settings.gpu_required:
            self.run.has_cards(self.host.name, tuple(uuids(its)))

    @property
    def has_instance_per_gpu(self) -> bool:
        """Whether what runs here follows from the cards that are here."""
        return self.host.settings.ollama_instances == "per-gpu" and is_engine(
            self.run.declared.stack, self.host
        )

    @property
    def models_folder(self) -> str:
        """The models directory, an absolute path on the host."""
        return models_folder(self.host.settings)

    @property
    def known_models(self) -> Mapping[str, ModelSeen]:
        """The models that are known to be there, from what was seen and from what was done."""
        return {**(seen_models(self._seen) if self._seen else {}), **self._got}

    def has_models(self) -> set[str]:
        """Their names, with tags."""
        return set(self.known_models)

    def got_model(self, name: str) -> None:
        """Note that this run has brought a model here."""
        self._got[name] = ModelSeen("")

    @property
    def arch(self) -> str:
        """The host's architecture as Ollama's releases name it."""
        return ARCHITECTURES.get(self.seen.fact("arch"), "")

    def changes_of(self, component: str) -> list[Change]:
        """What differs in one component."""
        _ = self.seen  # a new look makes the changes new
        return self.changes[component]

    @cached_property
    def changes(self) -> Mapping[str, list[Change]]:
        """What differs, by component."""
        by_component = self.resources(self.arch)
        everything = [resource for part in by_component.values() for resource in part]
        changes = plan(everything, self.seen)
        names = {part: {r.name for r in found} for part, found in by_component.items()}
        return {part: [c for c in changes if c.resource in names[part]] for part in COMPONENTS}

    def refusals(self) -> list[str]:
        """Why nothing may be changed here; empty when all is well."""
        reasons = system.refusals(self.host, self.seen)
        if reasons:
            return reasons
        if self.arch not in self.host.settings.ollama_sha256:
            return [f"ollama_sha256 has no digest for {self.arch}: add the one of that archive"]
        upload = self.host.settings.ollama_archive
        if upload and not Path(upload).is_file():
            return [f"there is no file {upload}: correct ollama_archive"]
        seen, stack = self.seen, self.run.declared.stack
        if self._is_engine:
            wrong = gpu.refusal(self.host, seen) or system.unusable_folder(self.host, seen)
            if wrong:
                return [wrong]
        taken = listeners.taken(stack, self.run.fleet, self.host, seen)
        return taken or wrong_files(self) or unfit_disks(self)

    def notes(self) -> list[str]:
        """What should be known of an accepted host: its GPUs, limits without effect, keys' way."""
        found = []
        if self._is_engine:
            found = [line(self.gpus), *system.not_enforced(self.host, self.seen)]
        if GATEWAY_GROUP in self.host.groups:
            found.append(gateway.way_of_keys(self._systemd))
        return found

    @property
    def _systemd(self) -> int:
        return int(self.seen.fact("systemd") or 0)

    @property
    def _is_engine(self) -> bool:
        return is_engine(self.run.declared.stack, self.host)


def rack(state: PyinfraState, host: PyinfraHost, kind: type[Rack] = Rack) -> Rack:
    """The rack of ``host`` in this run, of a ``kind``; the declaration is read once for all hosts.

    Raises Refusal with every mistake in the declaration, before any host is touched.
    """
    run: Run | None = getattr(state, "llmrack_run", None)
    if run is None:
        run = _start(state)
        state.llmrack_run = run  # type: ignore[attr-defined]
        for active in state.inventory.get_active_hosts():
            # Not pyinfra's stand-in for the current host: greenlets outlive that.
            run.racks[str(active.name)] = kind(run, active, state)
        _look_at_cards(state, run)
    run.ready.wait()
    its = run.racks[host.name]
    # Looked at now, the hosts answer while the operations of the others are registered.
    # What fails is told by the operation that needs it, for this host alone.
    with suppress(PyinfraError):
        _ = its.seen
    if its.host.bundle and its.is_seen:
        from llmrack.deploy.transfer.bundled import insist_on_sound_files

        insist_on_sound_files(its, its.host.bundle)
    return its


def _look_at_cards(state: PyinfraState, run: Run) -> None:
    """Hosts whose cards decide what others are told come first, all at once."""

    def look(rack: Rack) -> None:
        with (
            ctx_config.use(state.config.copy()),
            ctx_host.use(rack.pyinfra_host),
            suppress(PyinfraError),
        ):
            _ = rack.seen

    looks = [gevent.spawn(look, each) for each in run.racks.values() if each.has_instance_per_gpu]
    gevent.joinall(looks)
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
