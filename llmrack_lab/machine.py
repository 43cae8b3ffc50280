"""What this machine knows about reaching package registries; the hosts are given the same."""

from __future__ import annotations

import os
import re
from pathlib import Path

from llmrack_lab.shell import LabError, run

DEFAULT_MIRROR = "http://deb.debian.org/debian"
DEFAULT_SECURITY = "http://deb.debian.org/debian-security"
CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
RESOLVERS = (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf"))
APT_NETWORK = (
    "Acquire::http::Proxy",
    "Acquire::https::Proxy",
    "Acquire::Check-Valid-Until",
    "Acquire::Check-Date",
)


def debian_sources(suite: str, folder: Path = Path("/etc/apt")) -> list[tuple[str, list[str]]]:
    """(URI, suites) of the machine's own apt sources that carry this Debian suite.

    Reads both forms of apt's files (sources.list(5)): one line each, and deb822.
    """
    sources: list[tuple[str, list[str]]] = []
    for file in sorted(folder.glob("sources.list")) + sorted(folder.glob("sources.list.d/*.list")):
        for line in file.read_text().splitlines():
            match = re.match(r"deb\s+(?:\[[^]]*\]\s+)?(\S+)\s+(\S+)\s", line)
            if match:
                sources.append((match[1], [match[2]]))
    for file in sorted(folder.glob("sources.list.d/*.sources")):
        for stanza in re.split(r"\n\s*\n", file.read_text()):
            fields = dict(re.findall(r"(?m)^([A-Za-z-]+):[ \t]*(.*)$", stanza))
            if "deb" in fields.get("Types", "").split() and fields.get("Enabled", "yes") != "no":
                suites = fields.get("Suites", "").split()
                sources += [(uri, suites) for uri in fields.get("URIs", "").split()]
    wanted = {suite, f"{suite}-updates", f"{suite}-security"}
    mine = [(uri, [suite for suite in suites if suite in wanted]) for uri, suites in sources]
    return [(uri, suites) for uri, suites in mine if suites and "debian" in uri]


def debian_mirror(suite: str, folder: Path = Path("/etc/apt")) -> str:
    """The mirror that this machine takes the suite from, else Debian's own."""
    sources = debian_sources(suite, folder)
    return next((uri for uri, suites in sources if suite in suites), DEFAULT_MIRROR)


def apt_sources(suite: str, folder: Path = Path("/etc/apt")) -> str:
    """The hosts' apt sources, in deb822 form: this machine's for the suite, else Debian's own."""
    sources = debian_sources(suite, folder) or [
        (DEFAULT_MIRROR, [suite, f"{suite}-updates"]),
        (DEFAULT_SECURITY, [f"{suite}-security"]),
    ]
    return "\n".join(
        f"Types: deb\nURIs: {uri}\nSuites: {' '.join(suites)}\nComponents: main\n"
        "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
        for uri, suites in sources
    )


def apt_settings() -> str:
    """The hosts' apt settings: this machine's network ones, and downloads kept for all hosts."""
    dump = run(["apt-config", "dump", *APT_NETWORK]).stdout
    return dump + (
        'DPkg::Post-Invoke {"cp -u /var/cache/apt/archives/*.deb /var/cache/lab/apt/ '
        '2>/dev/null || true";};\n'
    )


def resolv_conf(files: tuple[Path, ...] = RESOLVERS) -> str:
    """The first of the machine's resolver files whose servers a host can reach too."""
    for file in files:
        if not file.exists():
            continue
        lines = file.read_text().splitlines()
        servers = [words[1] for words in map(str.split, lines) if words[:1] == ["nameserver"]]
        if any(not server.startswith("127.") and server != "::1" for server in servers):
            return file.read_text()
    raise LabError(
        f"no name server in {' or '.join(map(str, files))} can be reached from a lab host "
        "(loopback addresses are the machine's own); name a real one in /etc/resolv.conf"
    )


def mount_points() -> list[Path]:
    """Every mount point that this process sees."""
    points = (line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines())
    # The kernel writes blanks in paths as octal escapes (proc_pid_mountinfo(5)).
    return [
        Path(re.sub(r"\\(\d{3})", lambda code: chr(int(code[1], 8)), point)) for point in points
    ]


def pip_conf() -> str:
    """/etc/pip.conf of a host: the shared cache and this machine's package index."""
    lines = ["[global]", "cache-dir = /var/cache/lab/pip", f"cert = {CA_BUNDLE}"]
    if index := _index_url():
        lines.append(f"index-url = {index}")
    return "\n".join(lines) + "\n"


def uv_toml() -> str:
    """/etc/uv/uv.toml of a host: the same for uv."""
    # The cache is another file system than the host's disk, so links from it cannot be made.
    text = 'cache-dir = "/var/cache/lab/uv"\nlink-mode = "copy"\nsystem-certs = true\n'
    if index := _index_url():
        text += f'[[index]]\nurl = "{index}"\ndefault = true\n'
    return text


def _index_url() -> str | None:
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"):
        if os.environ.get(name):
            return os.environ[name]
    for file in (Path("/etc/pip.conf"), Path("~/.config/pip/pip.conf").expanduser()):
        text = file.read_text() if file.exists() else ""
        if match := re.search(r"(?m)^index-url\s*=\s*(\S+)", text):
            return match[1]
    return None
