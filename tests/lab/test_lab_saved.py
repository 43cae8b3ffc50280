"""States of a lab: saved, and brought back."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from llmrack_lab import cli, gpus
from llmrack_lab.host import LabHost
from llmrack_lab.lab import Lab
from llmrack_lab.shell import LabError
from tests.lab.own_lab import NAME, ROOT, make_lab, marked, pids, prepare, traces

UNIT = """
cat > /etc/systemd/system/clock.service <<'END'
[Service]
Type=notify
NotifyAccess=all
ExecStart=/bin/sh -c 'date +%%s > /root/started; systemd-notify --ready; exec sleep 1000'
[Install]
WantedBy=multi-user.target
END
systemctl enable --now clock.service
"""

PREPARE = """
rm -r /etc/motd /usr/share/doc /etc/apt/apt.conf.d && mkdir /etc/apt/apt.conf.d && mv /opt /optional
touch /etc/apt/apt.conf.d/alone
cd /root
cp /bin/true program && chown admin:admin program && chmod 4750 program
ln program same && ln -s program link && mkfifo pipe
python3 -c "import os; os.setxattr('program', 'user.kind', b'x')"
"""
SPOIL = """
systemctl disable --now clock.service
touch /etc/motd /etc/apt/apt.conf.d/more && mkdir /opt /usr/share/doc
rm /root/*
systemd-machine-id-setup && echo spoilt > /etc/hosts
"""
IDENTITY = """
cat /etc/machine-id /etc/hosts /etc/ssh/ssh_host_ed25519_key.pub
cd /root && stat -c '%n %F %a %U %G %h %s' / program same link pipe
python3 -c "import os; print(os.getxattr('program', 'user.kind'))"
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    prepare()
    lab = make_lab()
    lab.up(2)
    yield lab
    lab.down()


@pytest.fixture
def box1(lab: Lab) -> LabHost:
    return lab.host("box1")


def command(*words: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(cli, "ROOT", ROOT)
    return CliRunner().invoke(cli.lab, ["--lab", NAME, *words]).output


@pytest.fixture(scope="module")
def returned(lab: Lab) -> tuple[Lab, str]:
    """The lab, brought back after everything was spoilt, and what IDENTITY had printed before."""
    box1 = lab.host("box1")
    for host in lab.hosts():
        host.ssh(f"echo {host.name} > /root/file")
    box1.ssh(PREPARE)
    box1.ssh(UNIT)
    box1.set_gpus(3)
    identity = box1.ssh(IDENTITY).stdout
    lab.saved.save("first")
    for host in lab.hosts():
        host.ssh("rm /root/file; touch /root/other")
    box1.ssh(SPOIL)
    box1.set_gpus(1, "lost")
    lab.saved.go_back("first")
    return lab, identity


def test_all_hosts_come_back_as_they_were(returned: tuple[Lab, str]) -> None:
    for host in returned[0].hosts():
        assert host.ssh("cat /root/file; ls /root/other", check=False).stdout == f"{host.name}\n"


def test_hosts_come_back_without_failed_units(returned: tuple[Lab, str]) -> None:
    for host in returned[0].hosts():
        state = host.ssh("systemctl is-system-running").stdout.strip()
        assert state == "running", host.ssh("systemctl --failed --no-legend").stdout


def test_removed_files_and_replaced_folders_of_the_base_stay_so(returned: tuple[Lab, str]) -> None:
    look = "ls /etc/apt/apt.conf.d; for f in /etc/motd /usr/share/doc /opt; do test -e $f; echo $?"
    there = returned[0].host("box1").ssh(f"{look}; done").stdout.split()
    assert there == ["alone", "1", "1", "1"]


def test_identity_owners_modes_links_and_attributes_come_back(returned: tuple[Lab, str]) -> None:
    assert returned[0].host("box1").ssh(IDENTITY).stdout == returned[1]


def test_neighbours_know_each_other(returned: tuple[Lab, str]) -> None:
    scan = returned[0].host("box1").ssh("ssh-keyscan -t ed25519 box2 2>/dev/null").stdout
    assert scan.startswith("box2 ")


def test_units_start_again(returned: tuple[Lab, str]) -> None:
    look = "systemctl is-active clock.service; cat /root/started"
    assert returned[0].host("box1").ssh(look).stdout.startswith("active\n1")


def test_the_pretended_gpus_come_back(returned: tuple[Lab, str]) -> None:
    lab, _ = returned
    assert lab.host("box1").ssh("nvidia-smi -L | wc -l").stdout.strip() == "3"
    assert len(gpus.declared(lab.folder / "box1").cards) == 3


def test_states_made_from_each_other_come_back_in_any_order(lab: Lab, box1: LabHost) -> None:
    for name in ("one", "two", "three"):
        box1.ssh(f"touch /srv/{name}")
        lab.saved.save(name)
    for name, files in (
        ("two", ["one", "two"]),
        ("one", ["one"]),
        ("three", ["one", "three", "two"]),
    ):
        lab.saved.go_back(name)
        assert box1.ssh("ls /srv").stdout.split() == files


def test_a_state_of_the_same_name_is_replaced_and_its_disk_freed(lab: Lab, box1: LabHost) -> None:
    lab.saved.save("again")
    kept = lab.saved.mebibytes
    box1.ssh("head -c 50M /dev/urandom > /root/big")
    lab.saved.save("again")
    assert lab.saved.mebibytes >= kept + 50
    box1.ssh("rm /root/big")
    lab.saved.go_back("one")
    lab.saved.save("again")
    assert lab.saved.mebibytes < kept + 50


def test_a_reset_goes_to_the_bare_base_and_leaves_the_states(lab: Lab, box1: LabHost) -> None:
    box1.ssh("touch /root/deployed")
    lab.saved.save("deployed")
    box1.reset()
    assert box1.ssh("ls /root").stdout == ""
    lab.saved.go_back("deployed")
    assert "deployed" in box1.ssh("ls /root").stdout


@pytest.mark.parametrize("outage", ["reboot", "power_cut"])
def test_a_host_on_a_saved_state_keeps_its_disk_over_a_boot(
    lab: Lab, box1: LabHost, outage: str
) -> None:
    box1.ssh("touch /root/below")
    lab.saved.save("booted")
    box1.ssh("touch /root/above")
    getattr(box1, outage)()
    assert {"below", "above"} <= set(box1.ssh("ls /root").stdout.split())


def test_a_host_that_was_off_is_saved_and_booted(lab: Lab, box1: LabHost) -> None:
    box1.ssh("touch /root/off")
    box1.kill()
    lab.saved.save("off")
    assert "off" in box1.ssh("ls /root").stdout


def test_the_stand_ins_stay_as_they_are(lab: Lab) -> None:
    before = {process.pid for role in ("cloud", "registry") for process in marked(lab, role)}
    lab.saved.save("servers")
    lab.saved.go_back("servers")
    assert before <= pids(lab)


def test_the_commands_say_what_they_did_and_status_names_the_states(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = command("save", "shown", monkeypatch=monkeypatch)
    assert re.search(r"^box1, box2 saved as shown \(\d+\.\d s\)$", saved, re.M)
    back = command("back", "shown", monkeypatch=monkeypatch)
    assert re.search(r"^box1, box2 back at shown \(\d+\.\d s\)$", back, re.M)
    status = command("status", monkeypatch=monkeypatch)
    assert re.search(r"^saved states: .*shown \(\d+ MiB\)$", status, re.M | re.S)


def test_an_unknown_state_is_refused_with_the_known_ones(lab: Lab) -> None:
    lab.saved.save("known")
    before = pids(lab)
    with pytest.raises(
        LabError, match=rf"lab {NAME} has no saved state 'unknown'; it has: .*known"
    ):
        lab.saved.go_back("unknown")
    assert pids(lab) == before


@pytest.mark.parametrize("name", ["", "Upper", "a b", "../x", "1st", "x" * 31])
def test_a_name_that_no_state_can_have_is_refused(lab: Lab, name: str) -> None:
    with pytest.raises(LabError, match="is no name of a saved state: a letter, then"):
        lab.saved.save(name)


def test_down_removes_the_states_and_leaves_nothing(lab: Lab) -> None:
    lab.saved.save("gone")
    lab.down()
    assert not (ROOT / NAME).exists()
    assert not any(NAME in item for items in traces().values() for item in items)
    with pytest.raises(LabError, match=f"there is no lab {NAME}: `llmrack lab up` makes it"):
        lab.saved.go_back("gone")
    lab.up(2)
    assert lab.saved.names == []


def test_a_state_with_other_hosts_is_refused(lab: Lab) -> None:
    lab.saved.save("two")
    lab.up(3)
    with pytest.raises(
        LabError,
        match=rf"lab {NAME} has the hosts box1, box2, box3, and its state two was saved with "
        "box1, box2; `llmrack lab save two` saves the hosts as they are",
    ):
        lab.saved.go_back("two")
