"""One host during one run: what is declared for it, what was seen of it, what differs."""

from __future__ import annotations

import gc
import hashlib
import secrets as random
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from pyinfra import logger
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.host import Host as PyinfraHost
from pyinfra.api.state import State

from llmrack.components import ollama, system
from llmrack.components.paths import Home
from llmrack.components.plan import by_component, plan_text
from llmrack.problems import DeclarationError
from llmrack.remote.connection import needs_sudo, no_delay
from llmrack.remote.declared import Declared, read
from llmrack.remote.guard import Refusal
from llmrack.remote.snapshot import Sizes, Snapshot
from llmrack.resources.change import Change, Resource, plan
from llmrack.resources.files import File
from llmrack.resources.look import Look, Seen, parse
from llmrack.resources.model import OllamaModel
from llmrack.secrets.dotenv import ensure_master_key
from llmrack.stack.fleet import Host
from llmrack.stack.host_checks import warnings

COMPONENTS = ("system", "ollama", "gateway")


class Run:
    """What all hosts of a run share: the declaration, and which hosts were changed."""

    def __init__(self, declared: Declared, nonce: str) -> None:
        self.declared = declared
        self.nonce = nonce
        self.changed: set[str] = set()

    @cached_property
    def digest(self) -> str:
        """Digest of every host's plan: what a recorded proof is a proof of."""
        declared = self.declared
        plans = [
            plan_text(declared.stack, declared.fleet, host, declared.secrets, files=True)
            for host in declared.fleet.hosts
        ]
        return hashlib.sha256("".join(plans).encode()).hexdigest()


class Rack:
    """The host that is being deployed."""

    def __init__(self, run: Run, host: PyinfraHost, state: State) -> None:
        self.run = run
        self.pyinfra_host = host
        self.state = state
        self.host: Host = run.declared.host(host.name)
        self.sudo = needs_sudo(host)
        self.refused = False
        self._seen: Seen | None = None
        self._resources: dict[str, dict[str, list[Resource]]] = {}
        self._seen_in_execute = False
        no_delay(host)

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
        if arch not in self._resources:
            declared = self.run.declared
            self._resources[arch] = by_component(
                declared.stack, declared.fleet, self.host, declared.secrets, self.run.nonce, arch
            )
        return self._resources[arch]

    @property
    def seen(self) -> Seen:
        """The snapshot: taken once, and once more when a plan has waited for a person's word."""
        if self.state.is_executing and not self._seen_in_execute and self.state.check_for_changes:
            self._seen = None
        if self._seen is None:
            self._seen = self._look()
            self._seen_in_execute = self.state.is_executing
            self.__dict__.pop("changes", None)
        return self._seen

    def _look(self) -> Seen:
        look = Look(disk=self.host.settings.service_home)
        # Until the host has said what it is, its architecture is not known: all that are pinned.
        for arch in self.host.settings.ollama_sha256:
            for resources in self.resources(arch).values():
                for resource in resources:
                    resource.look(look)
        self.proof.look(look)
        try:
            lines = self.pyinfra_host.get_fact(
                Snapshot, look=look, nonce=self.run.nonce, _sudo=self.sudo
            )
            return parse(lines)
        except EOFError:
            raise PyinfraError(
                f"{self.host.name}: sudo wants a password and there is no terminal to ask for it: "
                "log in as root, or let the login user run sudo without one"
            ) from None
        except ValueError as error:
            raise PyinfraError(f"{self.host.name}: {error}") from None

    @property
    def arch(self) -> str:
        """The host's architecture as Ollama's releases name it."""
        return system.ARCHITECTURES.get(self.seen.fact("arch"), "")

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
        short = system.short_of_disk(self.host, self.seen, self._needed_disk())
        return [short] if short else []

    def _needed_disk(self) -> dict[str, int]:
        """Bytes still to come, by what they are for; nothing is asked when nothing is missing."""
        missing = [change.resource.split(" ")[0] for p in self.changes.values() for change in p]
        models = [
            resource.model
            for resource in self.resources(self.arch)["ollama"]
            if isinstance(resource, OllamaModel)
            and any(change.resource == resource.name for change in self.changes["ollama"])
        ]
        needed: dict[str, int] = {}
        archives = ollama.archive_urls(self.host, self.arch) if "Archive" in missing else ()
        upload = self.host.settings.ollama_archive
        if archives and upload:
            needed["release"] = Path(upload).stat().st_size * 5
            archives = ()
        if models or archives:
            manifests = {model: ollama.manifest_url(model) for model in models}
            sizes: dict[str, int] = self.pyinfra_host.get_fact(
                Sizes, models=manifests, archives=archives, _sudo=self.sudo
            )
            needed |= sizes
        if "Venv" in missing:
            needed["gateway"] = system.GATEWAY_DISK
        return needed


def rack(state: State, host: PyinfraHost) -> Rack:
    """The rack of ``host`` in this run; the declaration is read once for all hosts.

    Raises Refusal with every mistake in the declaration, before any host is touched.
    """
    run: Run | None = getattr(state, "llmrack_run", None)
    if run is None:
        run = _start(state)
        state.llmrack_run = run  # type: ignore[attr-defined]
    racks: dict[str, Rack] = state.__dict__.setdefault("llmrack_racks", {})
    if host.name not in racks:
        # The host itself, not pyinfra's stand-in for the current one: greenlets outlive that.
        its = racks[host.name] = Rack(run, state.inventory.get_host(host.name), state)
        # Looked at now, the hosts answer while the operations of the others are registered.
        # What fails is told by the operation that needs it, for this host alone.
        with suppress(PyinfraError):
            _ = its.seen
    return racks[host.name]


def _start(state: State) -> Run:
    folder = Path(state.cwd or ".")
    try:
        declared = read(state.inventory, folder)
        if ensure_master_key(declared.env_file):
            logger.info(f"generated LITELLM_MASTER_KEY in {declared.env_file}")
            declared = read(state.inventory, folder)
    except DeclarationError as error:
        raise Refusal(f"the declaration has mistakes; no host was touched\n{error}") from None
    for warning in warnings(declared.declaration):
        logger.warning(f"{warning}")
    # What was imported so far stays: searching it for garbage, at the latest at exit, costs 70 ms.
    gc.freeze()
    return Run(declared, random.token_hex(16))
