"""The lab's network: a bridge, a network namespace per host, and NAT to the package registries."""

from __future__ import annotations

import contextlib
import fcntl
import ipaddress
import json
import re
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmrack_lab.machine import mount_points
from llmrack_lab.owned import Owned
from llmrack_lab.shell import LabError, run

NETNS = Path("/run/netns")
IP_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")
MACHINE = "machine"
"""This machine, where hosts are named that packets are lost to."""

TABLES = "llmrack_"
"""Every lab's firewall table starts so: by it labs know of each other."""


@dataclass(frozen=True)
class Beside:
    """A place in a lab's network: the lab's mark, a namespace, its address, the names
    of the stand-ins with their addresses."""

    lab_id: str
    namespace: Path
    address: str
    names: dict[str, str]


class Network:
    """The kernel side of one lab. Every method may be repeated: what is there is kept."""

    def __init__(self, lab: str, subnet: ipaddress.IPv4Network, owned: Owned) -> None:
        self.subnet = subnet
        self.bridge = f"lr-{lab}"
        self.table = f"{TABLES}{lab}"
        self._owned = owned

    def address(self, number: int) -> str:
        """The address with this number in the lab's subnet: 1 is this machine's own."""
        return str(self.subnet[number])

    def namespace(self, host: str) -> str:
        """The name of a host's network namespace."""
        return f"{self.bridge}-{host}"

    def namespace_file(self, host: str) -> Path:
        """Where a host's network namespace can be entered."""
        return NETNS / self.namespace(host)

    def own_namespaces(self) -> list[Path]:
        """The namespaces that this lab is known to have made, as files."""
        return [NETNS / name for name in self._owned.names("netns")]

    def check_is_free(self, hosts: list[str]) -> None:
        """Raise LabError if a name or the subnet that the lab needs is somebody else's."""
        if _link_exists(self.bridge) and not self._owned.has("bridge", self.bridge):
            raise _foreign("bridge", self.bridge, f"ip link delete {self.bridge}")
        for host in hosts:
            cable = self._cable(host)
            if _link_exists(cable) and not self._owned.has("cable", cable):
                raise _foreign("network device", cable, f"ip link delete {cable}")
            name = self.namespace(host)
            if (NETNS / name).exists() and not self._owned.has("netns", name):
                raise _foreign("network namespace", name, f"ip netns delete {name}")
        if self.table in _tables() and not self._owned.has("table", self.table):
            raise _foreign("firewall table", self.table, f"nft delete table ip {self.table}")
        for link in _ip("addr", "show"):
            for entry in link.get("addr_info", []):
                if entry["family"] != "inet" or link["ifname"] == self.bridge:
                    continue
                theirs = ipaddress.ip_interface(f"{entry['local']}/{entry['prefixlen']}").network
                if theirs.overlaps(self.subnet):
                    raise LabError(
                        f"the subnet {self.subnet} is in use by {link['ifname']} ({theirs}); "
                        "give the lab another one with --subnet"
                    )

    def up(self) -> None:
        """Bridge, address and NAT."""
        if not _link_exists(self.bridge):
            self._owned.add("bridge", self.bridge)
            run(["ip", "link", "add", self.bridge, "mtu", _uplink_mtu(), "type", "bridge"])
        address = f"{self.address(1)}/{self.subnet.prefixlen}"
        run(["ip", "addr", "replace", address, "dev", self.bridge])
        run(["ip", "link", "set", self.bridge, "up"])
        self._up_nat()

    def up_host(self, host: str, addresses: list[str]) -> None:
        """A namespace for `host`, cabled to the bridge, with these addresses and a way outside."""
        name = self.namespace(host)
        if self.namespace_file(host) not in mount_points():
            self._add_namespace(name)
        if not run(["ip", "-n", name, "link", "show", "eth0"], check=False).stdout:
            cable = self._cable(host)
            self._owned.add("cable", cable)
            mtu = _uplink_mtu()
            _delete_link(cable)
            # Always the same, so that neighbours who remember it are right after a new cabling.
            hardware = "02:00:" + ipaddress.IPv4Address(addresses[0]).packed.hex(":")
            peer = ["peer", "name", "eth0", "address", hardware, "mtu", mtu, "netns", name]
            options = ["mtu", mtu, "master", self.bridge]
            run(["ip", "link", "add", cable, *options, "type", "veth", *peer])
            run(["ip", "link", "set", cable, "up"])
        for address in addresses:
            full = f"{address}/{self.subnet.prefixlen}"
            run(["ip", "-n", name, "addr", "replace", full, "dev", "eth0"])
        for device in ("lo", "eth0"):
            run(["ip", "-n", name, "link", "set", device, "up"])
        run(["ip", "-n", name, "route", "replace", "default", "via", self.address(1)])

    def lose(self, host: str, address: str, others: Sequence[str]) -> None:
        """Lose every packet between ``address``, which is of ``host``'s namespace, and ``others``.

        Nobody is told, as when a cable is pulled. ``others`` are addresses; they replace those of
        an earlier call, so none at all ends it.
        """
        name = f"lost_{address.replace('.', '_')}"
        # Both sides of a table that may be there: nft has no "delete if it exists".
        rules = f"table ip {name} {{}}\ndelete table ip {name}\n"
        if others:
            them = "{ " + ", ".join(others) + " }"
            rules += (
                f"table ip {name} {{\n"
                " chain in {\n  type filter hook prerouting priority raw; policy accept;\n"
                f"  ip saddr {them} ip daddr {address} drop\n }}\n"
                " chain out {\n  type filter hook postrouting priority raw; policy accept;\n"
                f"  ip saddr {address} ip daddr {them} drop\n }}\n}}\n"
            )
        run(["nsenter", f"--net={self.namespace_file(host)}", "nft", "-f", "-"], input=rules)

    def down(self) -> None:
        """Remove all that this lab is known to have made; what is not there is no error."""
        # The kernel takes a namespace's cable away in its own time, so it is done here.
        for name in self._owned.names("cable") + self._owned.names("bridge"):
            _delete_link(name)
        for name in self._owned.names("netns"):
            if (NETNS / name).exists():
                run(["ip", "netns", "delete", name])
        self._down_nat()

    def _cable(self, host: str) -> str:
        return f"{self.bridge}-{host.removeprefix('box')}"

    def _add_namespace(self, name: str) -> None:
        self._owned.add("netns", name)
        # A crash between the file and the mount over it leaves a plain file.
        (NETNS / name).unlink(missing_ok=True)
        run(["ip", "netns", "add", name])

    def _up_nat(self) -> None:
        with _shared_by_labs():
            tables = _tables()
            if self.table not in tables:
                self._owned.add("table", self.table)
                # The first lab notes in its table's comment how the machine was; later ones copy
                # it, so whichever lab goes last can put that back.
                original = _remembered(tables[0]) if tables else _present()
                rules = (
                    f'table ip {self.table} {{\n comment "was {original}"\n'
                    " chain postrouting {\n  type nat hook postrouting priority srcnat;\n"
                    f"  ip saddr {self.subnet} ip daddr != {self.subnet} masquerade\n }}\n}}\n"
                )
                run(["nft", "-f", "-"], input=rules)
            IP_FORWARD.write_text("1")

    def _down_nat(self) -> None:
        with _shared_by_labs():
            tables = _tables()
            if not self._owned.has("table", self.table) or self.table not in tables:
                return
            if tables == [self.table]:
                original = _remembered(self.table)
                if "ip_forward=0" in original:
                    IP_FORWARD.write_text("0")
                if "netns=0" in original and NETNS in mount_points() and not any(NETNS.iterdir()):
                    run(["umount", NETNS])
            run(["nft", "delete", "table", "ip", self.table])


@contextlib.contextmanager
def _shared_by_labs() -> Iterator[None]:
    # What all labs of the machine share: one switch, one folder. A lock on the switch itself leaves
    # nothing behind.
    with IP_FORWARD.open() as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _present() -> str:
    # `ip netns add` mounts its folder onto itself the first time.
    return f"ip_forward={IP_FORWARD.read_text().strip()} netns={int(NETNS in mount_points())}"


def _remembered(table: str) -> str:
    text = run(["nft", "list", "table", "ip", table]).stdout
    match = re.search(r"was (ip_forward=[01] netns=[01])", text)
    return match[1] if match else _present()


def _tables() -> list[str]:
    listed = json.loads(run(["nft", "-j", "list", "tables", "ip"]).stdout or "{}")
    names = [entry["table"]["name"] for entry in listed.get("nftables", []) if "table" in entry]
    return sorted(name for name in names if name.startswith(TABLES))


def _ip(*words: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads(run(["ip", "-j", *words]).stdout or "[]")
    return entries


def _link_exists(name: str) -> bool:
    return any(interface == name for _, interface in socket.if_nameindex())


def _delete_link(name: str) -> None:
    # It may vanish meanwhile, with its namespace.
    done = run(["ip", "link", "delete", name], check=False)
    if _link_exists(name):
        raise LabError(f"the network device {name} cannot be removed: {done.stderr.strip()}")


def _uplink_mtu() -> str:
    # A bigger packet than the uplink takes would depend on ICMP coming through.
    routes = _ip("route", "show", "default")
    device = routes[0].get("dev", "lo") if routes else "lo"
    return str(min(1500, _ip("link", "show", device)[0]["mtu"]))


def _foreign(kind: str, name: str, command: str) -> LabError:
    return LabError(
        f"a {kind} named {name} exists and this lab did not make it; "
        f"choose another lab name, or remove it if it is a left-over: {command}"
    )


def check_lab_name(name: str) -> str:
    """Return `name` if it can be a lab's; LabError else (kernel names hold 15 characters)."""
    if not re.fullmatch(r"[a-z][a-z0-9]{0,7}", name):
        raise LabError(f"{name!r} is no lab name: a letter, then up to 7 letters or digits")
    return name
