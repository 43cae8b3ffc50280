"""The files that make a copy of the base into one particular host."""

from __future__ import annotations

import io
import tarfile
import uuid
from collections.abc import Mapping
from pathlib import Path

from llmrack_lab import keys, machine, state

ADMIN_UID = 1000

HostFiles = Mapping[str, tuple[str, int, int]]
"""Path without the leading slash → (content, mode, owner's uid, which is the group's gid too)."""


def hosts_file(names: Mapping[str, str]) -> str:
    """/etc/hosts of every host: loopback, and name → address of everything in the lab."""
    lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback"]
    return "\n".join(lines + [f"{address} {name}" for name, address in names.items()]) + "\n"


def host_files(
    name: str, *, hosts: str, host_key: Path, authorized_key: str, authority: Path
) -> HostFiles:
    """Everything in which a new host differs from the base."""
    ca = authority.read_text()
    bundle = machine.CA_BUNDLE.read_text()
    public = host_key.with_name(f"{host_key.name}.pub").read_text()
    return {
        "etc/hostname": (f"{name}\n", 0o644, 0),
        "etc/machine-id": (f"{uuid.uuid4().hex}\n", 0o444, 0),
        "etc/hosts": (hosts, 0o644, 0),
        "etc/resolv.conf": (machine.resolv_conf(), 0o644, 0),
        "etc/pip.conf": (machine.pip_conf(), 0o644, 0),
        "etc/uv/uv.toml": (machine.uv_toml(), 0o644, 0),
        "etc/ssh/ssh_host_ed25519_key": (host_key.read_text(), 0o600, 0),
        "etc/ssh/ssh_host_ed25519_key.pub": (public, 0o644, 0),
        "root/.ssh/authorized_keys": (f"{authorized_key}\n", 0o600, 0),
        "home/admin/.ssh/authorized_keys": (f"{authorized_key}\n", 0o600, ADMIN_UID),
        # The bundle as it is now, and its parts where update-ca-certificates(8) would look.
        "etc/ssl/certs/ca-certificates.crt": (f"{bundle.rstrip()}\n{ca}", 0o644, 0),
        "usr/local/share/ca-certificates/machine.crt": (bundle, 0o644, 0),
        "usr/local/share/ca-certificates/llmrack-lab.crt": (ca, 0o644, 0),
    }


def write_archive(file: Path, files: HostFiles) -> None:
    """Write the files as a tar archive, 0600 (it holds the host's private key)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, (content, mode, owner) in files.items():
            data = content.encode()
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode, entry.uid, entry.gid = len(data), mode, owner, owner
            archive.addfile(entry, io.BytesIO(data))
    keys.write_private(file, buffer.getvalue())


def write_ssh(config: Path, hosts: Mapping[str, str]) -> None:
    """Write the file for `ssh -F` (`config`), and beside it the keys and the hosts that it names.

    + hosts: address by name
    """
    folder = config.parent
    keys.ensure_ssh_key(folder / "id_ed25519")
    kind, key, _ = keys.ensure_ssh_key(folder / "host_key").split()
    known = "".join(f"{name},{address} {kind} {key}\n" for name, address in hosts.items())
    state.write(folder / "known_hosts", known)
    state.write(config, ssh_config(folder, hosts))


def ssh_config(folder: Path, hosts: Mapping[str, str]) -> str:
    """A configuration for `ssh -F` (ssh_config(5)): every host by its name, with the lab's key."""
    lines = []
    for name, address in hosts.items():
        lines += [f"Host {name}", f"  HostName {address}"]
    lines += [
        "Host *",
        "  User root",
        f"  IdentityFile {_quoted(folder / 'id_ed25519')}",
        "  IdentitiesOnly yes",
        f"  UserKnownHostsFile {_quoted(folder / 'known_hosts')}",
        "  GlobalKnownHostsFile /dev/null",
        "  StrictHostKeyChecking yes",
        "  ConnectTimeout 5",
        "  LogLevel ERROR",
    ]
    return "\n".join(lines) + "\n"


def _quoted(path: Path) -> str:
    text = str(path).replace("%", "%%")
    return f'"{text}"' if " " in text else text
