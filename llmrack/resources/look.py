"""One look at a host: the script that asks for everything declared, and what it answered.

The script is plain ``sh`` with coreutils, findutils and systemd, because it also runs on a box
on which nothing has been installed yet. Each line it prints is a tag, then fields separated by
tabs.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from shlex import quote
from typing import Any

TAG = "llmrack"


@dataclass(frozen=True)
class PathSeen:
    """A path as it is. ``kind`` is find's letter (f, d, l); ``link`` where a link leads."""

    kind: str
    owner: str
    mode: int
    link: str


@dataclass(frozen=True)
class UnitSeen:
    """A unit as systemd sees it.

    + active: ActiveState (active, inactive, failed, activating, deactivating)
    + enabled: UnitFileState (enabled, disabled, static or empty)
    + fresh: whether the files it was started with are still the same (see templates: a unit
      records their digests when it starts)
    """

    active: str
    enabled: str
    fresh: bool


@dataclass
class Look:
    """What the snapshot must ask for; resources add to it. ``urls`` are asked on the host."""

    disk: str = "/"
    users: set[str] = field(default_factory=set)
    groups: set[str] = field(default_factory=set)
    paths: set[str] = field(default_factory=set)
    hashes: set[str] = field(default_factory=set)
    env_files: set[str] = field(default_factory=set)
    lines: set[tuple[str, str]] = field(default_factory=set)
    packages: set[str] = field(default_factory=set)
    user_units: set[tuple[str, str]] = field(default_factory=set)
    system_units: set[str] = field(default_factory=set)
    urls: dict[str, str] = field(default_factory=dict)


@dataclass
class Seen:
    """What the host answered; absent keys are things it does not have."""

    facts: dict[str, str] = field(default_factory=dict)
    users: dict[str, list[str]] = field(default_factory=dict)
    groups: dict[str, set[str]] = field(default_factory=dict)
    linger: set[str] = field(default_factory=set)
    paths: dict[str, PathSeen] = field(default_factory=dict)
    hashes: dict[str, str] = field(default_factory=dict)
    env_keys: dict[str, dict[str, str]] = field(default_factory=dict)
    lines: set[str] = field(default_factory=set)
    packages: set[str] = field(default_factory=set)
    units: dict[str, UnitSeen] = field(default_factory=dict)
    answers: dict[str, Any] = field(default_factory=dict)

    def fact(self, name: str) -> str:
        """A fact about the host itself, empty when it is not known."""
        return self.facts.get(name, "")


def script(look: Look, nonce: str) -> str:
    """The ``sh`` script that answers ``look``.

    ``nonce`` (random, per run) salts the digests of secrets, so that what travels and what a
    verbose log shows says nothing about a key's value.
    """
    return "\n".join(
        [
            "export LC_ALL=C; PATH=$PATH:/usr/sbin:/sbin",
            *_host(look.disk),
            *_groups(sorted(look.groups)),
            *_users(sorted(look.users)),
            *_paths(sorted(look.paths)),
            *_hashes(sorted(look.hashes)),
            *_env_files(sorted(look.env_files), nonce),
            *_lines(sorted(look.lines)),
            *_packages(sorted(look.packages)),
            *_user_units(sorted(look.user_units)),
            *_units("systemctl", "/run/llmrack", sorted(look.system_units)),
            *_urls(look.urls),
            f"echo {TAG}",
        ]
    )


def _host(disk: str) -> list[str]:
    return [
        'f() { printf "fact\\t%s\\t%s\\n" "$1" "$2"; }',
        'f arch "$(uname -m)"; read -r c < /proc/1/comm; f pid1 "$c"; f uid "$(id -u)"',
        'f systemd "$(systemctl --version 2>/dev/null | { read -r a b c && echo "$b"; })"',
        '. /etc/os-release 2>/dev/null; f os "$ID"; f os_version "$VERSION_ID"',
        f'p={quote(disk)}; while [ ! -e "$p" ]; do p=$(dirname "$p"); done',
        'f disk_free "$(df -PB1 "$p" | { read -r a && read -r a b c d e && echo "$d"; })"',
        # Debian's python3 is a link that tells its version, which saves starting it.
        'p=$(readlink -f "$(command -v python3)"); case $p in '
        "*/python3.[0-9]|*/python3.[0-9][0-9]) p=${p##*python};; *) p=$(python3 -c "
        '\'import sys; print("%d.%d" % sys.version_info[:2])\' 2>/dev/null);; esac; f python "$p"',
        "command -v apt-get >/dev/null && f apt yes",
    ]


def _groups(groups: list[str]) -> list[str]:
    if not groups:
        return []
    return [
        f"getent group {' '.join(groups)} | {{ k=; "
        'while IFS=: read -r g rest; do k="$k $g"; done; f known_groups "$k"; }'
    ]


def _users(users: Iterable[str]) -> list[str]:
    return [
        f'getent passwd {user} | while read -r e; do printf "user\\t%s\\n" "$e"; done; '
        f'printf "groups\\t{user}\\t%s\\n" "$(id -Gn {user} 2>/dev/null)"; '
        f'test -e /var/lib/systemd/linger/{user} && printf "linger\\t{user}\\n"'
        for user in users
    ]


def _paths(paths: list[str]) -> list[str]:
    if not paths:
        return []
    names = " ".join(map(quote, paths))
    return [f"find {names} -maxdepth 0 -printf 'path\\t%p\\t%y\\t%u\\t%m\\t%l\\n' 2>/dev/null"]


def _hashes(paths: list[str]) -> list[str]:
    if not paths:
        return []
    names = " ".join(map(quote, paths))
    return [
        f"sha256sum -- {names} 2>/dev/null | "
        'while read -r h p; do printf "hash\\t%s\\t%s\\n" "$h" "$p"; done'
    ]


def _env_files(paths: list[str], nonce: str) -> list[str]:
    return [
        f'test -r {quote(path)} && while IFS= read -r l || [ -n "$l" ]; do '
        f'case $l in [A-Za-z_]*=*) h=$(printf "%s%s" {nonce} "${{l#*=}}" | sha256sum); '
        f'printf "env\\t%s\\t%s\\t%s\\n" {quote(path)} "${{l%%=*}}" "${{h%% *}}";; esac; '
        f"done < {quote(path)}"
        for path in paths
    ]


def _lines(lines: list[tuple[str, str]]) -> list[str]:
    return [
        f"grep -qxF -e {quote(line)} -- {quote(path)} 2>/dev/null && "
        f'printf "line\\t%s\\n" {quote(path)}'
        for path, line in lines
    ]


def _packages(names: list[str]) -> list[str]:
    if not names:
        return []
    return [
        "dpkg-query -W -f 'package\\t${Package}\\t${db:Status-Status}\\n' "
        f"{' '.join(names)} 2>/dev/null"
    ]


def _user_units(units: list[tuple[str, str]]) -> list[str]:
    lines = []
    for user in sorted({user for user, _ in units}):
        names = [unit for owner, unit in units if owner == user]
        lines.append(
            f"getent passwd {user} | if IFS=: read -r l p i g rest && [ -S /run/user/$i/bus ]; then"
        )
        lines.append(
            "u() { XDG_RUNTIME_DIR=/run/user/$i "
            'setpriv --reuid=$i --regid=$g --init-groups systemctl --user "$@"; }'
        )
        lines += _units("u", "/run/user/$i/llmrack", names)
        lines.append("fi")
    return lines


def _units(systemctl: str, records: str, names: list[str]) -> list[str]:
    if not names:
        return []
    shown = " ".join(map(quote, names))
    return [
        f"{systemctl} show -p Id -p ActiveState -p UnitFileState {shown} | "
        'while IFS="=" read -r k v; do case $k in Id) n=$v;; ActiveState) a=$v;; '
        'UnitFileState) e=$v;; esac; if [ -n "$n" ] && [ -n "$a" ] && [ "$k" != Id ] && '
        '[ "$k" = UnitFileState ]; then '
        f's=stale; test -s "{records}/$n" && sha256sum -c --status "{records}/$n" 2>/dev/null && '
        's=fresh; printf "unit\\t%s\\t%s\\t%s\\t%s\\n" "$n" "$a" "$e" "$s"; n=; a=; fi; done'
    ]


def _urls(urls: dict[str, str]) -> list[str]:
    return [
        f'printf "answer\\t{name}\\t%s\\n" '
        f'"$(curl -fsS --noproxy "*" --max-time 3 {quote(url)} 2>/dev/null | tr -d "\\n\\t")"'
        for name, url in sorted(urls.items())
    ]


def parse(lines: Iterable[str]) -> Seen:
    """What the script printed, read. Raises ValueError when it was cut short."""
    seen = Seen()
    whole = False
    for line in lines:
        tag, *rest = line.split("\t")
        match tag, rest:
            case "fact", [name, value]:
                seen.facts[name] = value
            case "user", [entry]:
                fields = entry.split(":")
                seen.users[fields[0]] = fields
            case "groups", [user, names]:
                seen.groups[user] = set(names.split())
            case "linger", [user]:
                seen.linger.add(user)
            case "path", [path, kind, owner, mode, link]:
                seen.paths[path] = PathSeen(kind, owner, int(mode, 8), link)
            case "hash", [digest, path]:
                seen.hashes[path] = digest
            case "env", [path, key, digest]:
                seen.env_keys.setdefault(path, {})[key] = digest
            case "line", [path]:
                seen.lines.add(path)
            case "package", [name, "installed"]:
                seen.packages.add(name)
            case "unit", [name, active, enabled, fresh]:
                seen.units[name] = UnitSeen(active, enabled, fresh == "fresh")
            case "answer", [name, text] if text:
                try:
                    seen.answers[name] = json.loads(text)
                except json.JSONDecodeError:
                    seen.answers[name] = None
        whole = whole or line == TAG
    if not whole:
        raise ValueError("the host's answer was cut short")
    return seen
