"""Package indexes that lack what is pinned, or have something else.

Host: box1 (gpu), which is to get the gateway as well.
"""

from __future__ import annotations

import re
import shutil
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.lab.faults.table import record
from tests.lab.site import ROOT, Site

BOX = "box1"
UNIT = "llmrack-ollama@main.service"
VENVS = "/home/llm/.local/opt/llmrack-gateway/venvs"
BOUND = 300  # seconds
# pip waits for 15 s where it is told nothing, and tries six times.
PIP = "[global]\nindex-url = http://mirror.lab/simple/\ntrusted-host = mirror.lab\ntimeout = 2\n"
# The package that uv finds there first; everything else comes from where it always does.
FIRST = '[[index]]\nname = "first"\nurl = "http://mirror.lab/simple/"\n'
ONLY = '[[index]]\nurl = "http://mirror.lab/simple/"\ndefault = true\n'
EXPECTED = (
    "one error names the package, the cause and the way out; nothing is left; what serves goes on"
)


def pinned(package: str, lock: str) -> str:
    """The version of a package that a lock file of the gateway pins."""
    text = (ROOT / "templates" / "gateway" / lock).read_text()
    (version,) = re.findall(rf"(?m)^{package}==(\S+)", text)
    return version


@pytest.fixture(scope="module")
def site(module_site: Site, fresh: Callable[[str], None]) -> Site:
    fresh(BOX)
    module_site.only = BOX
    module_site.declare({BOX: ("gpu",), "box3": ("gateway",)})
    module_site.deployed()
    module_site.declare({BOX: ("gpu", "gateway")})
    return module_site


@pytest.fixture
def simple(site: Site) -> Iterator[Path]:
    """The folder of an index that the mirror has."""
    folder = site.lab.folder / "mirror" / "simple"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)
    site.lab.fault("mirror", "ok")


def offer(simple: Path, package: str, version: str) -> Path:
    """Have the index offer a wheel of these name and version that is not the pinned one."""
    wheel = simple / package / f"{package}-{version}-py3-none-any.whl"
    wheel.parent.mkdir()
    link = f'<a href="{wheel.name}">{wheel.name}</a>'
    (wheel.parent / "index.html").write_text(f"<html><body>{link}</body></html>")
    about = f"{package}-{version}.dist-info"
    with zipfile.ZipFile(wheel, "w") as content:
        content.writestr(f"{package}/__init__.py", "#" * 300_000)
        content.writestr(f"{about}/METADATA", f"Name: {package}\nVersion: {version}\n")
        content.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        content.writestr(f"{about}/RECORD", "")
    return wheel


@contextmanager
def told(site: Site, file: str, text: str, keep: str = "") -> Iterator[None]:
    """Have a file of the host's say something else; ``keep``: a pattern of lines that stay."""
    site.on(BOX, f"cp -p {file} {file}.own")
    own = site.on(BOX, f"grep -E '{keep}' {file}.own", check=False) if keep else ""
    site.lab.host(BOX).ssh(f"cat >{file}", input=f"{own}\n{text}")
    try:
        yield
    finally:
        site.on(BOX, f"mv {file}.own {file}")


def failed(site: Site, said: str) -> None:
    """The deploy fails for one reason, in which this is said; nothing is left of it."""
    before = site.as_service(BOX, f"systemctl --user show -P MainPID {UNIT}")
    begun = time.monotonic()
    run = site.deploy()
    assert time.monotonic() - begun < BOUND
    assert run.code == 1, run.output
    (reason,) = re.findall(rf"(?s)\[box1\] Venv {VENVS}/\w+ failed: (.*)", run.output)
    assert re.search(said, reason), run.output
    assert "the packages cannot be installed as they are pinned; where" in reason, run.output
    assert "Traceback" not in run.output
    assert site.on(BOX, f"ls -A {VENVS}") == ""
    assert site.as_service(BOX, f"systemctl --user show -P MainPID {UNIT}") == before


def test_an_index_that_lacks_uv_is_told(site: Site, simple: Path) -> None:
    with told(site, "/etc/pip.conf", PIP):
        failed(site, "No matching distribution found for uv==")
    record("package index: lacks uv", EXPECTED, "pip's words, and what to do; nothing is left")


def test_an_index_with_another_uv_is_refused(site: Site, simple: Path) -> None:
    offer(simple, "uv", pinned("uv", "uv.txt"))
    with told(site, "/etc/pip.conf", PIP):
        failed(site, "THESE PACKAGES DO NOT MATCH THE HASHES")
    record(
        "package index: a damaged wheel of uv",
        EXPECTED,
        "refused by its digest, in pip's words; nothing is left",
    )


def test_an_index_that_lacks_a_pinned_package_is_told(site: Site, simple: Path) -> None:
    with told(site, "/etc/uv/uv.toml", ONLY, keep="^(cache-dir|link-mode|system-certs)"):
        failed(site, "was not found in the package registry")
    record(
        "package index: lacks a pinned package",
        EXPECTED,
        "the package is named in uv's words, and what to do; nothing is left",
    )


@pytest.mark.parametrize(
    ("damaged", "said"), [(False, "Hash mismatch for `idna"), (True, "Failed to download `idna")]
)
def test_a_wheel_that_is_not_the_pinned_one_is_refused(
    site: Site, simple: Path, damaged: bool, said: str
) -> None:
    wheel = offer(simple, "idna", pinned("idna", "requirements.txt"))
    if damaged:
        wheel.write_bytes(b"no wheel" * 1000)
    # Settings stand before the first index.
    settings, begin, indexes = site.on(BOX, "cat /etc/uv/uv.toml").partition("[[index]]")
    with told(site, "/etc/uv/uv.toml", f"{settings}\n{FIRST}{begin}{indexes}\n"):
        failed(site, said)
    record(
        f"package index: a {'damaged' if damaged else 'different'} wheel of a pinned package",
        EXPECTED,
        "the package is named in uv's words; nothing is left",
    )


def test_an_index_that_stalls_is_given_up(site: Site, simple: Path) -> None:
    offer(simple, "uv", pinned("uv", "uv.txt"))
    site.lab.fault("mirror", "stall")
    with told(site, "/etc/pip.conf", PIP):
        failed(site, "timed out")
    record(
        "package index: stalls in the middle of a wheel",
        "given up within bounds, with one error; nothing is left",
        "given up by pip; nothing is left (its waiting was shortened for the test)",
    )


def test_a_good_index_makes_up_for_all_of_that(site: Site) -> None:
    begun = time.monotonic()
    site.deployed()
    seconds = time.monotonic() - begun
    site.settled()
    record("package index: is well again", "the next run converges", "deployed, proven", seconds)
