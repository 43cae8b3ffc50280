"""What the hosts are told about reaching the package registries."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmrack_lab.machine import apt_sources, debian_mirror, pip_conf, resolv_conf, uv_toml
from llmrack_lab.shell import LabError

DEB822 = """\
Types: deb
# a comment
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
"""


@pytest.fixture
def apt(tmp_path: Path) -> Path:
    (tmp_path / "sources.list.d").mkdir()
    return tmp_path


def test_sources_in_deb822_form_are_taken_over(apt: Path) -> None:
    (apt / "sources.list.d" / "debian.sources").write_text(DEB822)
    text = apt_sources("bookworm", apt)
    assert "URIs: http://mirror.example/debian\nSuites: bookworm bookworm-updates\n" in text
    assert "URIs: http://mirror.example/debian-security\nSuites: bookworm-security\n" in text


def test_the_mirror_is_the_one_with_the_suite_itself(apt: Path) -> None:
    text = (
        "deb http://m.example/debian-security bookworm-security main\n"
        "deb [arch=amd64] http://m.example/debian bookworm main contrib\n"
    )
    (apt / "sources.list").write_text(text)
    assert debian_mirror("bookworm", apt) == "http://m.example/debian"


@pytest.mark.parametrize(
    "text",
    [
        "deb http://archive.ubuntu.com/ubuntu jammy main\n",
        "# deb http://m.example/debian bookworm main\n",
        "deb http://m.example/debian trixie main\n",
        "deb https://deb.nodesource.com/node nodistro main\n",
    ],
)
def test_without_a_source_of_the_suite_debians_own_mirror_is_used(apt: Path, text: str) -> None:
    (apt / "sources.list").write_text(text)
    assert debian_mirror("bookworm", apt) == "http://deb.debian.org/debian"


def test_debians_own_mirror_has_security_updates(apt: Path) -> None:
    text = apt_sources("trixie", apt)
    assert "URIs: http://deb.debian.org/debian\nSuites: trixie trixie-updates\n" in text
    assert "URIs: http://deb.debian.org/debian-security\nSuites: trixie-security\n" in text


def test_a_disabled_source_is_left_out(apt: Path) -> None:
    stanza = "Enabled: no\nTypes: deb\nURIs: http://m.example/debian\nSuites: bookworm\n"
    (apt / "sources.list.d" / "x.sources").write_text(stanza)
    assert "m.example" not in apt_sources("bookworm", apt)


def test_a_loopback_name_server_is_passed_over(tmp_path: Path) -> None:
    stub, real = tmp_path / "stub", tmp_path / "real"
    stub.write_text("nameserver 127.0.0.53\n")
    real.write_text("nameserver 192.0.2.53\n")
    assert resolv_conf((stub, real)) == "nameserver 192.0.2.53\n"


def test_loopback_name_servers_alone_are_refused(tmp_path: Path) -> None:
    (tmp_path / "stub").write_text("nameserver 127.0.0.1\nnameserver ::1\n")
    with pytest.raises(LabError, match=r"no name server in .*stub can be reached"):
        resolv_conf((tmp_path / "stub",))


def test_the_package_index_of_the_machine_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://index.example/simple")
    assert "index-url = https://index.example/simple\n" in pip_conf()
    assert 'url = "https://index.example/simple"\n' in uv_toml()


def test_find_links_are_not_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", "/no/such/folder")
    assert "/no/such/folder" not in pip_conf() + uv_toml()
