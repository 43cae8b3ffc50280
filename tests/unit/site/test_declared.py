"""Where other hosts reach a host of the inventory."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmrack.problems import DeclarationError
from llmrack.site.declared import fleet_of, open_inventory

CONFIG = """Host tower
  HostName 192.0.2.7
  Port 2222
Host ipv6
  HostName 2001:db8::7
Host tunnel
  HostName 127.0.0.1
Host local
  HostName localhost
Host *.example.org
  User ops
"""


@pytest.mark.parametrize(
    ("name", "data", "address"),
    [
        ("tower", {}, "192.0.2.7"),
        ("box1", {"ssh_hostname": "tower"}, "192.0.2.7"),
        ("ipv6", {}, "2001:db8::7"),
        ("tower", {"address": "198.51.100.7"}, "198.51.100.7"),
        ("tunnel", {}, "tunnel"),
        ("local", {}, "local"),
        ("box1.example.org", {}, "box1.example.org"),
        ("box1", {"ssh_hostname": "2001:db8::1"}, "2001:db8::1"),
    ],
)
def test_the_address_behind_an_alias_is_the_one_for_other_hosts(
    tmp_path: Path, name: str, data: dict[str, str], address: str
) -> None:
    config = tmp_path / "ssh_config"
    config.write_text(CONFIG)
    entry = (name, {"ssh_config_file": str(config)} | data)
    (tmp_path / "inventory").write_text(f"gpu = [{entry!r}]\n")
    (host,) = fleet_of(open_inventory(str(tmp_path / "inventory"), tmp_path), tmp_path).hosts
    assert host.address == address


@pytest.mark.parametrize(
    "text",
    [
        b"Host tower\n  HostName\n",
        b"Host tower\n  CanonicalizeHostname yes\n",
        "# K\u00fcche\nHost tower\n".encode("latin-1"),
    ],
)
def test_a_configuration_for_ssh_that_cannot_be_read_is_named(tmp_path: Path, text: bytes) -> None:
    config = tmp_path / "ssh_config"
    config.write_bytes(text)
    entry = ("tower", {"ssh_config_file": str(config)})
    (tmp_path / "inventory").write_text(f"gpu = [{entry!r}]\n")
    with pytest.raises(DeclarationError, match=r"ssh_config: cannot be used .*; correct it"):
        fleet_of(open_inventory(str(tmp_path / "inventory"), tmp_path), tmp_path)


def test_nothing_is_looked_up_for_a_host_with_an_address(tmp_path: Path) -> None:
    config = tmp_path / "ssh_config"
    config.write_text(f'Match exec "touch {tmp_path}/ran"\n  User ops\n')
    data = {"ssh_config_file": str(config), "ssh_hostname": "192.0.2.7"}
    (tmp_path / "inventory").write_text(f"gpu = [{('tower', data)!r}]\n")
    (host,) = fleet_of(open_inventory(str(tmp_path / "inventory"), tmp_path), tmp_path).hosts
    assert host.address == "192.0.2.7"
    assert not (tmp_path / "ran").exists()


def test_inventories_of_one_name_in_two_folders_are_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "inventory").write_text(f"gpu = [{name!r}]\n")
        monkeypatch.chdir(tmp_path / name)
        assert list(open_inventory("inventory", tmp_path / name).hosts) == [name]
