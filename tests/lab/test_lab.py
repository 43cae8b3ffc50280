"""A running lab: what its hosts can do, what they survive, how it heals."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from llmrack_lab import cli
from llmrack_lab.lab import Lab
from llmrack_lab.shell import LabError, wait_until
from tests import DEADLINE
from tests.lab.own_lab import NAME, ROOT, make_lab, marked, pids, prepare, run, traces


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    prepare()
    lab = make_lab()
    lab.up(1)
    yield lab
    lab.down()


def boot_id(lab: Lab) -> str:
    return lab.host("box1").ssh("cat /proc/sys/kernel/random/boot_id").stdout.strip()


def test_a_host_answers_as_root(lab: Lab) -> None:
    assert lab.host("box1").ssh("id -un; hostname").stdout.split() == ["root", "box1"]


def test_a_host_lets_admin_become_root_by_sudo(lab: Lab) -> None:
    done = lab.host("box1").ssh("id -un; sudo -n id -un", user="admin")
    assert done.stdout.split() == ["admin", "root"]


def test_a_host_boots_without_failed_units(lab: Lab) -> None:
    state = lab.host("box1").ssh("systemctl is-system-running").stdout.strip()
    assert state == "running", lab.host("box1").ssh("systemctl --failed --no-legend").stdout


def test_a_host_may_have_a_firewall_of_its_own(lab: Lab) -> None:
    lab.host("box1").ssh("nft add table inet mine && nft delete table inet mine")


def test_a_host_reaches_the_package_index(lab: Lab) -> None:
    status = lab.host("box1").ssh(
        "curl -sS -o /dev/null -w '%{http_code}' https://pypi.org/simple/six/"
    )
    assert status.stdout == "200"


def test_a_host_trusts_the_stand_ins(lab: Lab) -> None:
    names = {"registry.ollama.ai": "404", "ollama.com": "200", "openai.lab": "401"}
    script = "; ".join(
        f"curl -sS -o /dev/null -w '%{{http_code}} ' https://{name}/v1/models" for name in names
    )
    assert lab.host("box1").ssh(script).stdout.split() == list(names.values())


def test_a_command_that_fails_is_told_with_its_error_output(lab: Lab) -> None:
    with pytest.raises(LabError, match=r"box1: a command failed .*no-such-thing"):
        lab.host("box1").ssh("ls /no-such-thing")


def test_a_second_up_changes_nothing(lab: Lab) -> None:
    before = (pids(lab), boot_id(lab), traces())
    lab.up(1)
    assert (pids(lab), boot_id(lab), traces()) == before


def test_the_api_keys_are_private_and_stay(lab: Lab) -> None:
    file = lab.folder / "env"
    before = file.read_text()
    lab.up(1)
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_text() == before


def test_a_reboot_keeps_the_disk(lab: Lab) -> None:
    before = boot_id(lab)
    lab.host("box1").ssh("echo kept > /root/file")
    lab.host("box1").reboot()
    assert boot_id(lab) != before
    assert lab.host("box1").ssh("cat /root/file").stdout == "kept\n"


def test_a_power_cut_keeps_the_disk(lab: Lab) -> None:
    before = boot_id(lab)
    lab.host("box1").ssh("echo kept > /root/file")
    lab.host("box1").power_cut()
    assert boot_id(lab) != before
    assert lab.host("box1").ssh("cat /root/file").stdout == "kept\n"


@pytest.mark.parametrize("outage", ["reboot", "power_cut"])
def test_a_host_boots_without_the_firewall_of_the_boot_before(lab: Lab, outage: str) -> None:
    lab.host("box1").ssh("nft add table inet mine")
    getattr(lab.host("box1"), outage)()
    assert lab.host("box1").ssh("nft list tables").stdout == ""


def test_a_reset_wipes_the_disk(lab: Lab) -> None:
    lab.host("box1").ssh("echo lost > /root/file")
    lab.host("box1").reset()
    assert lab.host("box1").ssh("test -e /root/file", check=False).returncode == 1


def test_a_host_that_reboots_by_itself_comes_back(lab: Lab) -> None:
    before = boot_id(lab)
    lab.host("box1").ssh("systemctl reboot", check=False)
    command = "cat /proc/sys/kernel/random/boot_id"

    def has_another_boot_id() -> bool:
        done = lab.host("box1").ssh(command, check=False)
        return done.returncode == 0 and done.stdout.strip() != before

    assert wait_until(has_another_boot_id, DEADLINE)


@pytest.mark.parametrize("role", ["unshare", "sh", "systemd-nspawn", "systemd", "cloud"])
def test_up_heals_a_lab_in_which_anything_was_killed(lab: Lab, role: str) -> None:
    processes_of = {"cloud": "cloud"}.get(role, "box1")
    before = {process.pid for process in marked(lab, processes_of)}
    names = {Path(f"/proc/{pid}/comm").read_text().strip(): pid for pid in before}
    os.kill(names.get(role, min(before)), signal.SIGKILL)
    lab.up(1)
    assert {line.state for line in lab.status()} == {"running"}
    assert not before & pids(lab)


def test_up_heals_a_lost_namespace(lab: Lab) -> None:
    run("ip", "netns", "delete", f"lr-{NAME}-box1")
    lab.up(1)
    assert lab.host("box1").ssh("hostname").stdout == "box1\n"


def test_a_stand_in_fails_on_demand(lab: Lab) -> None:
    address = lab.control("vllm").replace(":9000", ":8000")
    lab.fault("vllm", "500")
    failed = httpx.get(f"{address}/v1/models").status_code
    lab.fault("vllm", "ok")
    assert (failed, httpx.get(f"{address}/v1/models").status_code) == (500, 401)


def test_an_unknown_fault_is_refused_with_the_known_ones(lab: Lab) -> None:
    with pytest.raises(LabError, match=r"refuses the mode 'sulk'.*hang"):
        lab.fault("vllm", "sulk")


def test_packets_to_a_stand_in_are_lost_until_that_is_ended(lab: Lab) -> None:
    def answered() -> bool:
        ask = "curl -sS -o /dev/null --max-time 2 https://ollama.com/api/version"
        return lab.host("box1").ssh(ask, check=False).returncode == 0

    lab.lose("cloud", "box1")
    lost = answered()
    lab.lose("cloud")
    assert (lost, answered()) == (False, True)


def test_a_boot_ends_the_losing_of_packets(lab: Lab) -> None:
    lab.up(2)
    ask = "timeout 2 bash -c '</dev/tcp/box2/22'"
    lab.lose("box2", "box1")
    lost = lab.host("box1").ssh(ask, check=False).returncode
    lab.host("box2").power_cut()
    assert (lost, lab.host("box1").ssh(ask, check=False).returncode) == (124, 0)


def test_status_fits_a_terminal_and_says_what_is_a_stand_in(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "ROOT", ROOT)
    printed = CliRunner().invoke(cli.lab, ["--lab", NAME, "status"]).output
    assert max(map(len, printed.splitlines())) <= 80
    assert re.search(r"cloud +10\.79\.0\.3 +running +stand-in: Ollama Cloud", printed)


def test_a_mistake_is_one_sentence_without_traceback(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "ROOT", ROOT)
    result = CliRunner().invoke(cli.lab, ["--lab", NAME, "reboot", "box7"])
    assert result.exit_code == 1
    has = ", ".join(each.name for each in lab.hosts())
    assert result.output == f"Error: lab {NAME} has no host 'box7'; it has: {has}\n"


def test_its_hosts_cannot_get_another_debian(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "ROOT", ROOT)
    before = pids(lab)
    result = CliRunner().invoke(cli.lab, ["--lab", NAME, "up", "2", "--release", "trixie"])
    assert result.exit_code == 1
    assert result.output.endswith(
        f"Error: lab {NAME} exists with hosts of Debian bookworm; `llmrack lab down` first to give "
        "it hosts of trixie\n"
    )
    assert pids(lab) == before


def test_a_second_host_joins_and_all_know_each_other(lab: Lab) -> None:
    lab.up(2)
    assert lab.host("box1").ssh("getent hosts box2").stdout.split() == ["10.79.0.12", "box2"]
    assert lab.host("box2").ssh("getent hosts box1").stdout.split() == ["10.79.0.11", "box1"]
    assert (
        lab.host("box2")
        .ssh("curl -sS --http0.9 --max-time 1 box1:22", check=False)
        .stdout.startswith("SSH-")
    )


def test_units_of_two_hosts_do_not_share_a_cgroup(lab: Lab) -> None:
    lab.up(2)
    script = (
        "systemctl restart cron 2>/dev/null; wc -l < /sys/fs/cgroup/systemd/init.scope/cgroup.procs"
    )
    counts = [
        host.ssh(f"if [ -d /sys/fs/cgroup/systemd ]; then {script}; else echo 1; fi")
        for host in lab.hosts()
    ]
    assert [count.stdout.strip() for count in counts] == ["1", "1"]
