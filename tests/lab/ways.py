"""A host that is reached in the most awkward way: what is set up for it, and every command."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from ipaddress import ip_address

import click

from llmrack.cli import main
from llmrack_lab.shell import wait_until
from tests.lab.site import UNSET, Site
from tests.lab.sources import archive_path

# It has what a shell would take apart.
PASSWORD = 'corr3ct $HOME "horse" \'n\\b'
USER, OTHER_USER = "ops", "clerk"
PORT = 2222
SHELL, LINES = "/usr/local/bin/shell-that-logs", "/usr/local/lines"
JUMP, BOX = "box1", "box2"
HERE = "this machine alone is asked"
# What each command is given; a reason where it opens no connection.
COMMANDS: dict[str, str | tuple[str, ...]] = {
    "adopt": (BOX,),
    "bundle check": HERE,
    "bundle create": HERE,
    "chat": ("gpt-oss:20b-cloud", "--message", "Say hello."),
    "check": HERE,
    "client": HERE,
    "curl": HERE,
    "dashboard": HERE,
    "export": HERE,
    "graph": HERE,
    "import": HERE,
    "keys issue": ("editor",),
    "keys list": (),
    "keys revoke": ("editor",),
    "logs": (),
    "models discover": ("cloud",),
    "pin ollama": HERE,
    "plan": HERE,
    "releases": (),
    "report": ("-o", "{folder}/report.html"),
    "rollback": (),
    "schema": HERE,
    "secrets audit": HERE,
    "secrets edit": HERE,
    "secrets export": HERE,
    "secrets import": HERE,
    "secrets init": HERE,
    "secrets list": HERE,
    "secrets recipients add": HERE,
    "secrets recipients list": HERE,
    "secrets recipients remove": HERE,
    "secrets rotate": ("LITELLM_MASTER_KEY",),
    "secrets set": HERE,
    "secrets test": (),
    "secrets unset": HERE,
    "status": ("--models",),
    "tail": ("--last", "1h"),
    "usage": (),
    "verify": (),
}
# A second form of a command that runs something else on the host.
MORE = (("status", "--gpus"), ("verify", "--drill", "--yes"))
# In an order in which each has something to do.
FIRST = ("keys issue", "keys list", "verify", "rollback")


def commands_of(group: click.Group, *path: str) -> Iterator[str]:
    """The names of all commands below a group, as they are typed."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands_of(command, *path, name)
        else:
            yield " ".join((*path, name))


def every_command() -> set[str]:
    """Every command of llmrack that can connect to a host."""
    return {name for name in commands_of(main) if not name.startswith(("lab ", "kube "))}


def asking() -> list[tuple[str, ...]]:
    """The words of every command that opens a connection."""
    names = sorted(COMMANDS, key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))
    lines = [
        (*name.split(), *words) for name in names if not isinstance(words := COMMANDS[name], str)
    ]
    return [*lines, *MORE]


def add_user(site: Site, host: str, user: str, groups: str = "") -> None:
    """Make a user on a host that has PASSWORD and the lab's SSH key.

    Its login shell writes what it is given, and the environment, to LINES.
    """
    shell = f'#!/bin/bash\n{{ printf "%s\\n" "$*"; env; }} >>{LINES}\nexec /bin/bash "$@"\n'
    site.lab.host(host).ssh(f"cat >{SHELL} && chmod 755 {SHELL}", input=shell)
    site.on(host, f"rm -f {LINES}; install -m 666 /dev/null {LINES}")
    site.on(
        host,
        f"id {user} >/dev/null 2>&1 || useradd -m -s {SHELL} {groups} {user}; "
        f"install -d -m 700 -o {user} -g {user} ~{user}/.ssh; "
        f"install -m 600 -o {user} -g {user} /home/admin/.ssh/authorized_keys ~{user}/.ssh/",
    )
    site.lab.host(host).ssh("chpasswd", input=f"{user}:{PASSWORD}\n")


def awkward(site: Site) -> dict[str, object]:
    """Set up BOX, and return its data in the inventory.

    Its user needs a password for sudo; it lets that user in from JUMP alone, on another port. Both
    stand only in a configuration for ssh, below an alias: the host's name in the inventory.
    """
    add_user(site, BOX, USER, "-G sudo")
    jump = site.lab.host(JUMP).address
    allowed = (
        f"Port 22\nPort {PORT}\nAllowUsers root admin llm {USER}@{jump}\n"
        # Models are copied over the other port alone.
        "Match LocalPort 22 User llm\nPubkeyAuthentication no\n"
    )
    site.lab.host(BOX).ssh("cat >/etc/ssh/sshd_config.d/ways.conf", input=allowed)
    site.on(BOX, "systemctl reload ssh || systemctl restart ssh")
    assert wait_until(lambda: f":{PORT} " in site.on(BOX, "ss -Hltn"), 30)
    config = site.folder / "ssh_config"
    key = site.lab.folder / "ssh" / "id_ed25519"
    config.write_text(
        f"Host {BOX}\n  HostName {site.lab.host(BOX).address}\n  User {USER}\n  Port {PORT}\n"
        f"  ProxyJump hop\nHost hop {jump}\n  HostName {jump}\n  User admin\nHost *\n"
        f"  IdentityFile {key}\n  StrictHostKeyChecking accept-new\n"
        f"  UserKnownHostsFile {site.folder / 'known_hosts'}\n"
    )
    return {
        "ssh_hostname": UNSET,
        "ssh_user": UNSET,
        "ssh_key": UNSET,
        "ssh_known_hosts_file": UNSET,
        "ssh_strict_host_key_checking": UNSET,
        "ssh_config_file": str(config),
        "_sudo_password": PASSWORD,
    }


def by_su(site: Site) -> dict[str, object]:
    """Set up JUMP so that its login user becomes root by su, with root's password."""
    add_user(site, JUMP, OTHER_USER)
    site.lab.host(JUMP).ssh("chpasswd", input=f"root:{PASSWORD}\n")
    return {
        "ssh_user": OTHER_USER,
        "_su_user": "root",
        "_su_password": PASSWORD,
        # It is sent from this machine, below a password on the same standard input.
        "ollama_archive": str(archive_path(site.lab)),
    }


def ipv6(site: Site, number: int) -> str:
    """An address of IPv6 in a network of the lab's own, since another lab may have one, too."""
    first, second, third, _ = site.lab.host(JUMP).address.split(".")
    return str(ip_address(f"fd94:{first}:{second}:{third}::{number}"))


def by_doas_and_ipv6(site: Site) -> dict[str, object]:
    """Set up JUMP so that its login user becomes root by doas; its address is one of IPv6."""
    add_user(site, JUMP, OTHER_USER)
    site.on(JUMP, "command -v doas || apt-get install -y -q opendoas")
    rule = f"permit nopass {OTHER_USER}\n"
    site.lab.host(JUMP).ssh("cat >/etc/doas.conf && chmod 600 /etc/doas.conf", input=rule)
    for number, host in enumerate((JUMP, BOX), start=2):
        site.on(host, f"ip -6 addr replace {ipv6(site, number)}/64 dev eth0 nodad")
    route = shell("ip", "-o", "route", "get", site.lab.host(JUMP).address).split()
    bridge = route[route.index("dev") + 1]
    # It goes with the lab's bridge.
    shell("ip", "-6", "addr", "replace", f"{ipv6(site, 1)}/64", "dev", bridge, "nodad")
    return {
        "ssh_user": OTHER_USER,
        "ssh_hostname": ipv6(site, 2),
        "ssh_known_hosts_file": str(site.folder / "known_hosts"),
        "ssh_strict_host_key_checking": "accept-new",
        "ollama_bind": "::",
        "_doas": True,
    }


def shell(*words: str) -> str:
    """What a command on this machine prints."""
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def plain(site: Site) -> None:
    """Take back what ``awkward`` set up."""
    site.on(BOX, "rm -f /etc/ssh/sshd_config.d/ways.conf; systemctl reload ssh", check=False)
