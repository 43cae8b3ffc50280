"""The hosts a stack is deployed to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from llmrack.stack.bundle import Bundle
from llmrack.stack.home import Home
from llmrack.stack.proxy import Downloads, Proxy
from llmrack.stack.settings import Settings

GATEWAY_GROUP = "gateway"
MONITOR_GROUP = "monitor"
# Where node exporters listen, as everywhere.
EXPORTER_PORT = 9100


@dataclass(frozen=True)
class Host:
    """A host of the inventory.

    + name: its name there
    + groups: the inventory groups it is in
    + address: where other hosts reach it (a name or an IP address)
    + settings: what is set for it
    + gpus: UUIDs of its GPUs, if its instances depend on them (``instances_follow_cards``); None
      while they are not known
    + bundle: the bundle that everything comes from; None: the internet
    + rocm: whether it has a card that ROCm uses, as far as its cards are known
    + proxy: its proxy to the internet (``stack/proxies.py``); None: it needs none
    + authority: the certificates of ``ca_file``, in PEM form; None: there are none
    """

    name: str
    groups: frozenset[str]
    address: str
    settings: Settings
    gpus: tuple[str, ...] | None = None
    bundle: Bundle | None = None
    rocm: bool = False
    proxy: Proxy | None = None
    authority: str | None = None

    @property
    def downloads(self) -> Downloads | None:
        """How its programs that download find their way; None: by what the host itself sets."""
        if self.proxy is None and self.authority is None:
            return None
        return Downloads(self.proxy, self.authority is not None)

    @property
    def home(self) -> Home:
        """The folders of its service user."""
        return Home(self.settings.service_user, self.settings.service_home)

    @property
    def bundle_folder(self) -> Path | None:
        """The folder of its bundle."""
        return self.bundle.folder if self.bundle else None


@dataclass(frozen=True)
class Fleet:
    """All hosts of an inventory, in its order."""

    hosts: tuple[Host, ...]

    def group(self, name: str) -> tuple[Host, ...]:
        """The hosts of a group."""
        return tuple(host for host in self.hosts if name in host.groups)

    @property
    def groups(self) -> frozenset[str]:
        """Every group that has a host."""
        return frozenset().union(*(host.groups for host in self.hosts))

    @property
    def gateways(self) -> tuple[Host, ...]:
        """The hosts that run a gateway."""
        return self.group(GATEWAY_GROUP)

    @property
    def monitors(self) -> tuple[Host, ...]:
        """The hosts that run Prometheus; if there is none, the fleet has no monitoring."""
        return self.group(MONITOR_GROUP)


def gateway_url(host: Host) -> str:
    """Where ``host`` itself reaches its gateway."""
    address = own_address(host.settings.gateway_bind)
    return f"http://{bracketed(address)}:{host.settings.gateway_port}"


def bracketed(address: str) -> str:
    """An address as it stands before a port."""
    return f"[{address}]" if ":" in address else address


def own_address(bind: str) -> str:
    """Where a host reaches its own server that is bound to ``bind``."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(bind, bind)  # noqa: S104
