"""A lab: hosts of its own on a network of its own, made and removed as a whole."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from llmrack_lab import files, gpus, keys, needs, processes, release, services, state
from llmrack_lab.base import ensure_base, host_architecture
from llmrack_lab.host import HostPlace, LabHost, remove_cgroup
from llmrack_lab.lines import Line, lines
from llmrack_lab.machine import mount_points
from llmrack_lab.network import MACHINE, Beside, Network, check_lab_name
from llmrack_lab.owned import Owned, locked
from llmrack_lab.saved import SavedStates
from llmrack_lab.shell import LabError, Progress, remove_folder, silent
from llmrack_lab.state import State

FIRST_HOST = 10
MOST_HOSTS = 50
REPLACE_HOSTS = "cat > /run/hosts; cmp -s /run/hosts /etc/hosts || cat /run/hosts > /etc/hosts"


class Lab:
    """The lab `name` in a folder of that name under `root`.

    `subnet` (IPv4, /24 or wider) is needed for the first `up` of a lab that is neither `demo` nor
    `test`. `suite` is the hosts' release of Debian (one of DEBIAN). Labs never touch each other.
    """

    def __init__(
        self,
        name: str = "demo",
        root: Path = Path(".lab"),
        subnet: str | None = None,
        suite: str | None = None,
    ) -> None:
        self.name = check_lab_name(name)
        self.folder = root.resolve() / name
        self._shown_folder = root / name
        self._subnet = subnet
        self._suite = suite

    def up(
        self, count: int = 2, progress: Progress = silent, gpu_count: int | None = None
    ) -> list[LabHost]:
        """Boot the hosts box1 … box`count` and the stand-ins; what runs already is kept.

        A new host gets `gpu_count` pretended GPUs: one if that is left open, none where a real
        Ollama runs, which could not use them. Returns these hosts, ready for ssh. Raises
        LabError when the machine lacks something, or a name or the subnet is taken by somebody
        else.
        """
        if not 0 <= count <= MOST_HOSTS:
            raise LabError(f"a lab has up to {MOST_HOSTS} hosts, not {count}")
        needs.require_root()
        self._root.mkdir(parents=True, exist_ok=True)
        needs.install_missing(progress, self._root / "packages.log")
        needs.allow_watching(progress)
        with locked(self._lock, progress):
            lab = state.ensure(self.folder, self._subnet, self._suite)
            names = [f"box{number}" for number in range(1, count + 1)]
            network = self._network(lab)
            network.check_is_free([*names, services.HOST])
            base = ensure_base(self._root, progress, lab.suite)
            progress("choosing Ollama's release")
            chosen = release.choose(lab.release, self.folder / "mirror", host_architecture())
            lab = lab.chose(chosen.kind).write(self.folder)
            progress(f"Ollama's release here: {chosen.kind} {chosen.version}")
            network.up()
            api_keys = keys.ensure_api_keys(self.folder / "env")
            authority = keys.Authority(self._authority_folder)
            needed = services.needed(lab.release)
            self._services(lab).up(needed, api_keys, authority, progress)
            pretends = chosen.kind == "stand-in"
            cards = int(pretends) if gpu_count is None else gpu_count
            for name in names:
                (self.folder / name).mkdir(exist_ok=True)
                gpus.ensure_declared(self.folder / name, name, cards)
            base_link = self.folder / "base"
            if not base_link.is_symlink():
                base_link.symlink_to(base)
            self._write_settings(chosen)
            addresses = {host.name: host.address for host in self._hosts(lab)}
            files.write_ssh(self.ssh_config, addresses)
            return self._up_hosts([self.host(name) for name in names], network, lab, progress)

    @property
    def id(self) -> str:
        """The mark of its processes; LabError if there is no lab."""
        return self._state().id

    def down(self, progress: Progress = silent) -> None:
        """Remove the lab: processes, namespaces, bridge, firewall table, folder. No lab, no error.

        Works from what was written down beforehand and from the lab's mark on its processes, so it
        cleans up after commands that were killed, too.
        """
        needs.require_root()
        if not self.folder.exists():
            return
        with locked(self._lock, progress):
            if not self.folder.exists():
                return  # another command has removed it meanwhile
            if lab := state.read(self.folder):
                network = self._network(lab)
                progress("ending hosts and stand-ins")
                processes.kill(lab.id, namespaces=network.own_namespaces())
                for host in self._hosts(lab):
                    host.kill()
                progress("removing the network")
                network.down()
            for group in Owned(self.folder / "made").names("cgroup"):
                remove_cgroup(Path(group))
            for mounted in mount_points():
                if mounted.is_relative_to(self.folder):
                    raise LabError(f"{mounted} is mounted, and not by the lab: unmount it first")
            remove_folder(self.folder)
            self._lock.unlink()

    @property
    def saved(self) -> SavedStates:
        """The saved states of its hosts."""
        return SavedStates(self.folder, self._lock, self.hosts)

    def status(self) -> list[Line]:
        """One line for each host and service; empty when there is no lab."""
        if (lab := state.read(self.folder)) is None:
            return []
        return lines(lab, self.folder, self._hosts(lab), self._services(lab))

    @property
    def ssh_config(self) -> Path:
        """A configuration for `ssh -F` that knows all hosts of the lab."""
        return self.folder / "ssh" / "config"

    @property
    def authority(self) -> Path:
        """The certificate of the authority that signs the stand-ins' certificates (PEM)."""
        return self._authority_folder / "ca.pem"

    def hosts(self) -> list[LabHost]:
        """All hosts of the lab, box1 first; LabError if there is no lab."""
        return self._hosts(self._state())

    def host(self, name: str) -> LabHost:
        """The host with this name; LabError if the lab has none such."""
        hosts = {host.name: host for host in self.hosts()}
        if name not in hosts:
            known = ", ".join(hosts) or "none"
            raise LabError(f"lab {self.name} has no host {name!r}; it has: {known}")
        return hosts[name]

    def control(self, service: str) -> str:
        """The URL below which a stand-in (a provider, the registry) takes commands."""
        return self._services(self._state()).control(services.commanded(service))

    def fault(self, name: str, mode: str, model: str | None = None, **more: object) -> None:
        """Make a stand-in, or the one of Ollama on a host, misbehave until the mode is `ok`.

        For one `model` or all; modes and `more`: docs/lab.md. LabError where it refuses.
        """
        body = {"mode": mode} | ({"model": model} if model else {}) | more
        if name.startswith("box"):
            return self.host(name).fault(body)
        self._services(self._state()).fault(services.commanded(name), self.authority, body)

    def accept(self, name: str, key: str, only: bool) -> None:
        """Have a provider's stand-in take one more key, or that one `only`, until it ends."""
        self._services(self._state()).accept(services.commanded(name), key, only)

    def lose(self, name: str, *others: str) -> None:
        """Lose packets between a host or stand-in and hosts or MACHINE, until none are named."""
        lab = self._state()
        network = self._network(lab)
        machine = network.address(1)
        addresses = [machine if peer == MACHINE else self.host(peer).address for peer in others]
        if name.startswith("box"):
            return network.lose(name, self.host(name).address, addresses)
        network.lose(services.HOST, network.address(services.commanded(name).number), addresses)

    def beside(self, name: str, number: int, cgroups: Sequence[Path]) -> Beside:
        """A place in the lab's network for something else than a host.

        + name: of its namespace, three letters at most
        + number: of its address in the subnet
        + cgroups: that it will make; `down` removes them
        """
        lab = self._state()
        network, owned = self._network(lab), Owned(self.folder / "made")
        for group in cgroups:
            owned.add("cgroup", str(group))
        network.up_host(name, [network.address(number)])
        place = network.namespace_file(name)
        return Beside(lab.id, place, network.address(number), self._names(lab))

    @property
    def _root(self) -> Path:
        return self.folder.parent

    @property
    def _lock(self) -> Path:
        return self._root / f"{self.name}.lock"

    @property
    def _authority_folder(self) -> Path:
        return self.folder / "ca"

    def _state(self) -> State:
        lab = state.read(self.folder)
        if lab is None:
            raise LabError(f"there is no lab {self.name}: `llmrack lab up` makes it")
        return lab

    def _network(self, lab: State) -> Network:
        return Network(self.name, lab.network, Owned(self.folder / "made"))

    def _services(self, lab: State) -> services.Services:
        return services.Services(lab.id, self.folder, self._network(lab))

    def _hosts(self, lab: State) -> list[LabHost]:
        network = self._network(lab)
        numbers = sorted(
            int(folder.name.removeprefix("box")) for folder in self.folder.glob("box[0-9]*")
        )
        return [self._make_host(number, network, lab) for number in numbers]

    def _make_host(self, number: int, network: Network, lab: State) -> LabHost:
        name = f"box{number}"
        place = HostPlace(
            machine=network.namespace(name),
            lab_id=lab.id,
            folder=self.folder / name,
            base=(self.folder / "base").resolve(),
            cache=self._root / "cache",
            namespace=network.namespace_file(name),
            ssh_config=self.ssh_config,
            files=lambda: {
                **gpus.host_files(gpus.declared(self.folder / name)),
                **files.host_files(
                    name,
                    hosts=self._hosts_file(lab),
                    host_key=self.folder / "ssh" / "host_key",
                    authorized_key=keys.ensure_ssh_key(self.folder / "ssh" / "id_ed25519"),
                    authority=self.authority,
                ),
            },
        )
        return LabHost(name, network.address(FIRST_HOST + number), place)

    def _names(self, lab: State) -> dict[str, str]:
        network = self._network(lab)
        return {
            service.hostname: network.address(service.number)
            for service in services.needed(lab.release)
        }

    def _hosts_file(self, lab: State) -> str:
        hosts = {host.name: host.address for host in self._hosts(lab)}
        return files.hosts_file(self._names(lab) | hosts)

    def _write_settings(self, chosen: release.Release) -> None:
        stands_in = chosen.kind != "official"
        settings = chosen.settings(host_architecture()) | {
            "env_file": str(self._shown_folder / "env"),
            "secrets_file": str(self._shown_folder / "secrets.age"),
            "gpu_required": chosen.kind == "stand-in",
            "standins": {"ollama": chosen.kind == "stand-in", "registry": stands_in}
            | {service.name: True for service in services.PROVIDERS},
        }
        state.write(self.folder / "settings.json", json.dumps(settings, indent=2) + "\n")

    def _up_hosts(
        self, hosts: list[LabHost], network: Network, lab: State, progress: Progress
    ) -> list[LabHost]:
        booted = []
        for host in hosts:
            network.up_host(host.name, [host.address])
            if not host.answers():
                progress(f"{host.name}: booting")
                host.kill()
                host.boot()
                booted.append(host)
        for host in hosts:
            host.wait_ready(tell=lambda text, name=host.name: progress(f"{name}: {text}"))  # type: ignore[misc]
        hosts_file = self._hosts_file(lab)
        for host in self._hosts(lab):
            if host not in booted and host.answers():
                host.ssh(REPLACE_HOSTS, input=hosts_file)
        return hosts
