"""A small apt repository on the host with pretended packages of a driver."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

REPOSITORY = Path("/var/lib/pretended-driver")
SOURCE = Path("/etc/apt/sources.list.d/pretended-driver.list")
PIN = Path("/etc/apt/preferences.d/pretended-driver")

# Whatever brings the kernel module; tools, headers and firmware alone make no driver.
_DRIVERS = ("driver", "dkms", "nvidia-open")
_POSTINST = "#!/bin/sh\nexec /usr/local/sbin/pretended-gpus installed {version}\n"
# As the real unit, it fails as long as no driver is loaded.
_PERSISTENCED = """\
[Unit]
Description=NVIDIA Persistence Daemon (pretended by the lab)

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/nvidia-smi -L

[Install]
WantedBy=multi-user.target
"""


def offer(version: str, names: list[str]) -> None:
    """Let apt install packages of these names instead of any others.

    Args:
        version: the driver's, which is loaded from the next boot on after one was installed.
        names: of the packages.
    """
    shutil.rmtree(REPOSITORY, ignore_errors=True)
    REPOSITORY.mkdir(mode=0o755, parents=True)
    (REPOSITORY / "Packages").write_text("\n".join(_build(name, version) for name in names))
    SOURCE.write_text(f"deb [trusted=yes] file:{REPOSITORY} ./\n")
    # Above 1000: also where another source has a newer one (apt_preferences(5)).
    PIN.write_text('Package: *\nPin: origin ""\nPin-Priority: 1001\n')
    alone = ("-o", f"Dir::Etc::sourcelist={SOURCE}", "-o", "Dir::Etc::sourceparts=-")
    kept = ("-o", "APT::Get::List-Cleanup=0")
    _run("apt-get", "update", "-qq", *alone, *kept)


def _build(name: str, version: str) -> str:
    """Build one package; returns its paragraph of the index."""
    control = (
        f"Package: {name}\nVersion: {version}-1\nArchitecture: all\n"
        "Maintainer: the lab <lab@lab>\nDescription: pretended by the lab, empty\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        root.chmod(0o755)
        (root / "DEBIAN").mkdir()
        (root / "DEBIAN/control").write_text(control)
        if any(word in name for word in _DRIVERS):
            script = root / "DEBIAN/postinst"
            script.write_text(_POSTINST.format(version=version))
            script.chmod(0o755)
        if name == "nvidia-persistenced":
            unit = root / "lib/systemd/system/nvidia-persistenced.service"
            unit.parent.mkdir(parents=True)
            unit.write_text(_PERSISTENCED)
        file = REPOSITORY / f"{name}.deb"
        _run("dpkg-deb", "--build", str(root), str(file))
    data = file.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    return f"{control}Filename: ./{file.name}\nSize: {len(data)}\nSHA256: {digest}\n"


def _run(*words: str) -> None:
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)  # noqa: S603  (no shell)
