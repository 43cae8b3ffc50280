"""The script of the one look.

It is plain ``sh`` with coreutils, findutils and systemd, because it also runs on a box on which
nothing has been installed yet. Each line it prints is a tag, then fields separated by tabs.
"""

from __future__ import annotations

from collections.abc import Iterable
from shlex import quote

from llmrack.components.gpu.script import gpu_script
from llmrack.resources.last_written import WRITTEN
from llmrack.resources.look import TAG, Look
from llmrack.resources.ownership import MADE
from llmrack.resources.packages import REMOVABLE

_MADE = f"""test -r {MADE} && while read -r l; do printf 'made\\t%s\\n' "$l"; done < {MADE}"""


def script(look: Look, nonce: str) -> str:
    """The ``sh`` script that answers ``look``.

    ``nonce`` (random, per run) salts the digests of secrets, so that what travels and what a
    verbose log shows says nothing about a key's value.
    """
    return "\n".join(
        [
            "export LC_ALL=C; PATH=$PATH:/usr/sbin:/sbin",
            *_host(),
            *_disks(sorted(look.disks)),
            *_groups(sorted(look.groups)),
            *_users(sorted(look.users)),
            *_paths(sorted(look.paths), sorted(look.globs)),
            *_notes(sorted(look.notes)),
            *_hashes(sorted(look.hashes)),
            *_env_files(sorted(look.env_files), nonce),
            *_secret_files(sorted(look.secret_files), nonce),
            *_lines(sorted(look.lines)),
            *_packages(sorted(look.packages)),
            *_user_units(sorted(look.user_units)),
            *_units("systemctl", "/run/llmrack", sorted(look.system_units)),
            *_mounts(sorted(look.mounts)),
            *_access(sorted(look.access)),
            *_controllers(sorted(look.controllers)),
            *_models(look.models),
            *_ports(sorted(look.ports)),
            *(gpu_script() if look.gpus else ()),
            *([_MADE] if look.made else ()),
            *([REMOVABLE] if look.removable else ()),
            f"echo {TAG}",
        ]
    )


def _host() -> list[str]:
    return [
        'f() { printf "fact\\t%s\\t%s\\n" "$1" "$2"; }',
        'f arch "$(uname -m)"; read -r c < /proc/1/comm; f pid1 "$c"; f uid "$(id -u)"',
        'f systemd "$(systemctl --version 2>/dev/null | { read -r a b c && echo "$b"; })"',
        '. /etc/os-release 2>/dev/null; f os "$ID"; f os_version "$VERSION_ID"',
        # Debian's python3 is a link that tells its version, which saves starting it.
        'p=$(readlink -f "$(command -v python3)"); case $p in '
        "*/python3.[0-9]|*/python3.[0-9][0-9]) p=${p##*python};; *) p=$(python3 -c "
        '\'import sys; print("%d.%d" % sys.version_info[:2])\' 2>/dev/null);; esac; f python "$p"',
        "command -v apt-get >/dev/null && f apt yes",
        'f time "$(date -u "+%s %F %R")"',
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


def _disks(paths: list[str]) -> list[str]:
    if not paths:
        return []
    # Of mounts over one another the last one counts. Whether root may write would not tell: it may
    # not on a filesystem of another machine that others can write to.
    tell = (
        'disk() { p=$1; while [ ! -e "$p" ]; do p=${p%/*}; p=${p:-/}; done; '
        'df -PB1 "$p" | { read -r a; read -r a b c free e mount; s=; '
        'while read -r a m b o c; do [ "$m" = "$mount" ] || continue; '
        "case ,$o, in *,ro,*) s=read-only;; *) s=;; esac; done </proc/self/mounts; "
        'printf "disk\\t%s\\t%s\\t%s\\t%s\\n" "$1" "$mount" "$free" "$s"; }; }'
    )
    return [tell, *(f"disk {quote(path)}" for path in paths)]


def _paths(paths: list[str], globs: list[str]) -> list[str]:
    if not (paths or globs):
        return []
    names = " ".join([*map(quote, paths), *globs])
    return [f"find {names} -maxdepth 0 -printf 'path\\t%p\\t%y\\t%u\\t%m\\t%l\\n' 2>/dev/null"]


def _hashes(paths: list[str]) -> list[str]:
    if not paths:
        return []
    names = " ".join(map(quote, paths))
    # What is noted of a file comes before what it is. Of a name with a backslash or a line's end
    # sha256sum would tell in another way; none is declared.
    compare = (
        'BEGIN {FS="\\t"} NF>1 {if ($2=="-") {known[$1]; ours[$1,$4]} next} '
        "NF {h=substr($0,1,64); p=substr($0,67); "
        's=(p in known && !((p,h) in ours)) ? "edited" : ""; '
        'printf "hash\\t%s\\t%s\\t%s\\n", h, p, s}'
    )
    return [f"{{ cat {WRITTEN}; sha256sum -- {names}; }} 2>/dev/null | awk {quote(compare)}"]


def _env_files(paths: list[str], nonce: str) -> list[str]:
    if not paths:
        return []
    # Sets s: whether a key is what was noted of it, which is told by each note's own salt.
    known = (
        "known() { s=; while read -r p k salt d; do "
        '[ "$p $k" = "$1 $2" ] || continue; h=$(printf "%s%s" "$salt" "$3" | sha256sum); '
        f'[ "${{h%% *}}" = "$d" ] && {{ s=; return; }}; s=edited; done 2>/dev/null <{WRITTEN}; }}'
    )
    return [known] + [
        f'test -r {quote(path)} && while IFS= read -r l || [ -n "$l" ]; do '
        f'case $l in [A-Za-z_]*=*) known {quote(path)} "${{l%%=*}}" "${{l#*=}}"; '
        f'h=$(printf "%s%s" {nonce} "${{l#*=}}" | sha256sum); '
        f'printf "env\\t%s\\t%s\\t%s\\t%s\\n" {quote(path)} "${{l%%=*}}" "${{h%% *}}" "$s";; '
        f"esac; done < {quote(path)}"
        for path in paths
    ]


def _secret_files(paths: list[str], nonce: str) -> list[str]:
    return [
        f"test -r {quote(path)} && h=$({{ printf %s {nonce}; cat {quote(path)}; }} | sha256sum) && "
        f'printf "secret\\t%s\\t%s\\n" {quote(path)} "${{h%% *}}"'
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


def _notes(paths: list[str]) -> list[str]:
    return [
        f"test -r {quote(path)} && read -r t < {quote(path)} && "
        f'printf "note\\t%s\\t%s\\n" {quote(path)} "$t"'
        for path in paths
    ]


def _mounts(paths: list[str]) -> list[str]:
    return [
        f"mountpoint -q {quote(path)} && printf 'mount\\t%s\\n' {quote(path)}" for path in paths
    ]


def _access(wanted: list[tuple[str, str]]) -> list[str]:
    """Each parent in turn, as the user; one that is still to be made has the rights of nobody."""
    lines = []
    for user, path in wanted:
        parts = path.strip("/").split("/")
        parents = " ".join(quote("/" + "/".join(parts[: n + 1])) for n in range(len(parts)))
        walk = (
            f'say() {{ printf "access\\t%s\\t%s\\t%s\\n" {quote(path)} "$1" "$2"; exit; }}; l=/; '
            f'for p in {parents}; do [ -e "$p" ] || break; l=$p; '
            '[ -d "$p" ] || say "not a folder" "$p"; [ -x "$p" ] || say closed "$p"; done; '
            'if [ -w "$l" ]; then say ok "$l"; fi; '
            f'if [ "$l" != {quote(path)} ] && [ "$(stat -c %u "$l")" = 0 ]; '
            'then say root "$l"; fi; say read-only "$l"'
        )
        lines.append(
            f"i=$(id -u {user} 2>/dev/null || echo 65534); g=$(id -g {user} 2>/dev/null || "
            f'echo 65534); [ "$i" = 65534 ] && s=--clear-groups || s=--init-groups; '
            f"setpriv --reuid=$i --regid=$g $s sh -c {quote(walk)} 2>/dev/null"
        )
    return lines


def _controllers(users: list[str]) -> list[str]:
    return [
        f"i=$(id -u {user} 2>/dev/null) && f controllers "
        '"$(cat /sys/fs/cgroup/user.slice/user-$i.slice/user@$i.service/cgroup.controllers '
        '2>/dev/null)"'
        for user in users
    ]


def _models(folder: str) -> list[str]:
    """Read from disk, because the server may be down; it reads them anew on each request, too."""
    if not folder:
        return []
    found = "find -- * -mindepth 3 -maxdepth 3 -type f"
    # A layer is {"mediaType": ..., "digest": "sha256:...", "size": ...}; its blob has that size.
    sums = (
        'FILENAME=="-" {there[$1]=$2; next} {n=split($0,a,/[}{]/); for (i=1;i<=n;i++) '
        'if (match(a[i],/"size": *[0-9]+/)) {z=substr(a[i],RSTART+7,RLENGTH-7)+0; s[FILENAME]+=z; '
        "if (match(a[i],/sha256:[0-9a-f]+/)) {d=substr(a[i],RSTART+7,RLENGTH-7); "
        "if (!(d in there) || there[d]!=z) "
        'printf "model_damage\\t%s\\t%s\\t%.0f\\n", FILENAME, d, z}}} '
        'END {for (f in s) printf "model_size\\t%s\\t%.0f\\n", f, s[f]}'
    )
    return [
        f"(cd {quote(folder + '/manifests')} 2>/dev/null && "
        f"{found} -exec sha256sum {{}} + 2>/dev/null | "
        'while read -r h p; do printf "model\\t%s\\t%s\\n" "$p" "$h"; done; '
        f"cd {quote(folder + '/manifests')} 2>/dev/null && "
        "find ../blobs -maxdepth 1 -name 'sha256-*' -printf '%f %s\\n' 2>/dev/null | "
        f"sed s/sha256-// | {found} -exec awk {quote(sums)} - {{}} + 2>/dev/null)"
    ]


def _ports(ports: list[int]) -> list[str]:
    """Each process that holds a socket there, by what ss shows to root: ``(("sh",pid=1,fd=3))``."""
    if not ports:
        return []
    which = " or ".join(f"sport = :{port}" for port in ports)
    unit = "case $l in 0::*|*:name=systemd:*) u=${l##*/};; esac"
    return [
        f"ss -Hltnp {quote(f'( {which} )')} 2>/dev/null | while read -r s r q a o w; do "
        'case $w in *pid=*) ;; *) printf "listener\\t%s\\t\\t\\t\\n" "$a";; esac; '
        'while [ "$w" != "${w#*pid=}" ]; do w=${w#*pid=}; x=${w%%,*}; c= u=; '
        f"{{ read -r c < /proc/$x/comm; while read -r l; do {unit}; done < /proc/$x/cgroup; }} "
        '2>/dev/null; printf "listener\\t%s\\t%s\\t%s\\t%s\\n" "$a" "$x" "$c" "$u"; '
        "done; done"
    ]
