"""The systems that a bundle can be made for."""

from __future__ import annotations

from dataclasses import dataclass

MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}


@dataclass(frozen=True)
class Distribution:
    """A release of Debian or Ubuntu.

    + suite: its name in package archives
    + python: the version of its python3, for which dependency markers are evaluated
    + glibc: the minor version of its glibc 2, which decides which wheels it can load
    """

    suite: str
    python: str
    glibc: int


# Sources: packages.debian.org and packages.ubuntu.com, packages python3 and libc6.
DISTRIBUTIONS = {
    "debian-12": Distribution("bookworm", "3.11.2", 36),
    "debian-13": Distribution("trixie", "3.13.5", 41),
    "ubuntu-22.04": Distribution("jammy", "3.10.12", 35),
    "ubuntu-24.04": Distribution("noble", "3.12.3", 39),
}
TARGETS = tuple(f"{system}-{arch}" for system in DISTRIBUTIONS for arch in MACHINES)


@dataclass(frozen=True)
class Target:
    """A system as a bundle names it (one of TARGETS), as in ``debian-12-amd64``."""

    name: str

    @property
    def arch(self) -> str:
        """``amd64`` or ``arm64``."""
        return self.name.rpartition("-")[2]

    @property
    def machine(self) -> str:
        """The kernel's name of it, ``x86_64`` or ``aarch64``."""
        return MACHINES[self.arch]

    @property
    def distribution(self) -> Distribution:
        """Its release of Debian or Ubuntu."""
        return DISTRIBUTIONS[self.name.rpartition("-")[0]]

    @property
    def keyring(self) -> str:
        """The file with the keys that its package archive is signed with."""
        return f"/usr/share/keyrings/{self.name.partition('-')[0]}-archive-keyring.gpg"

    @property
    def keyring_package(self) -> str:
        """The package that has this file, on Debian and on Ubuntu."""
        debian = self.name.startswith("debian")
        return "debian-archive-keyring" if debian else "ubuntu-keyring"

    @property
    def apt_sources(self) -> str:
        """Its package archive, as lines of a ``.list`` file of apt."""
        suite = self.distribution.suite
        if self.name.startswith("debian"):
            base = "http://deb.debian.org/debian"
            places = [(base, suite), (base, f"{suite}-updates")]
            places.append((f"{base}-security", f"{suite}-security"))
            components = "main"
        else:
            # Ubuntu has another server for all architectures but amd64.
            base = "http://archive.ubuntu.com/ubuntu"
            base = base if self.arch == "amd64" else "http://ports.ubuntu.com/ubuntu-ports"
            places = [(base, f"{suite}{part}") for part in ("", "-updates", "-security")]
            # python3-venv is in universe.
            components = "main universe"
        return "".join(
            f"deb [signed-by={self.keyring}] {uri} {archive} {components}\n"
            for uri, archive in places
        )
