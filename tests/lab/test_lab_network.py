"""The lab's network in a network namespace of its own, where no other lab can be in the way."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

PRELUDE = """
import ipaddress, json, os
from pathlib import Path
from llmrack_lab.network import IP_FORWARD, NETNS, Network
from llmrack_lab.owned import Owned
from llmrack_lab.shell import LabError, run
def network(name, number):
    made = Path.cwd() / f"made-{name}"
    return Network(name, ipaddress.ip_network(f"10.{number}.0.0/24"), Owned(made))
def forward():
    return IP_FORWARD.read_text().strip()
run(["ip", "link", "set", "lo", "up"])
IP_FORWARD.write_text("0")
first, second = network("one", 81), network("two", 82)
"""
SANDBOX = 'mkdir -p /run/netns; umount -l /run/netns 2>/dev/null; mount -t tmpfs t /run; exec "$@"'


def in_sandbox(folder: Path, script: str) -> object:
    """Run `script` alone in a network and mount namespace; returns what it printed, from JSON."""
    unshare = ["unshare", "--net", "--mount", "sh", "-c", SANDBOX, "sh"]
    done = subprocess.run(
        [*unshare, sys.executable, "-c", PRELUDE + script],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_forwarding_is_put_back_by_the_last_lab(tmp_path: Path) -> None:
    script = """
seen = [forward()]
for step in (first.up, second.up, first.down, second.down):
    step()
    seen.append(forward())
print(json.dumps(seen))
"""
    assert in_sandbox(tmp_path, script) == ["0", "1", "1", "1", "0"]


def test_forwarding_that_was_on_stays_on(tmp_path: Path) -> None:
    script = """
IP_FORWARD.write_text("1")
first.up()
first.down()
print(json.dumps(forward()))
"""
    assert in_sandbox(tmp_path, script) == "1"


def test_one_labs_down_leaves_the_other_whole(tmp_path: Path) -> None:
    script = """
for each in (first, second):
    each.up()
    each.up_host("box1", [each.address(11)])
first.down()
links = [link["ifname"] for link in json.loads(run(["ip", "-j", "link"]).stdout)]
tables = run(["nft", "list", "tables"]).stdout.split()
print(json.dumps([links[1:], tables, os.listdir(NETNS)]))
"""
    expected = [["lr-two", "lr-two-1"], ["table", "ip", "llmrack_two"], ["lr-two-box1"]]
    assert in_sandbox(tmp_path, script) == expected


def test_down_leaves_no_trace(tmp_path: Path) -> None:
    script = """
def look():
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    return [sorted(mounts), run(["ip", "link"]).stdout, run(["nft", "list", "ruleset"]).stdout]
NETNS.mkdir()
before = look()
first.up()
first.up_host("net", [first.address(2), first.address(3)])
between = look()
first.down()
print(json.dumps([between == before, look() == before]))
"""
    assert in_sandbox(tmp_path, script) == [False, True]


def test_down_takes_away_what_was_announced_and_only_half_made(tmp_path: Path) -> None:
    script = """
owned = Owned(Path.cwd() / "made-one")
for kind, name in (("bridge", "lr-one"), ("netns", "lr-one-box1"), ("table", "llmrack_one")):
    owned.add(kind, name)
NETNS.mkdir()
(NETNS / "lr-one-box1").touch()
first.down()
print(json.dumps(os.listdir(NETNS)))
"""
    assert in_sandbox(tmp_path, script) == []


def test_what_an_earlier_boot_made_counts_as_foreign(tmp_path: Path) -> None:
    script = """
Path("made-one").write_text("another-boot-id bridge lr-one" + chr(10))
run(["ip", "link", "add", "lr-one", "type", "bridge"])
try:
    first.check_is_free([])
except LabError as error:
    print(json.dumps(str(error)))
"""
    error = in_sandbox(tmp_path, script)
    assert isinstance(error, str)
    assert error.startswith("a bridge named lr-one exists and this lab did not make it")


# Nothing listens there, so a packet that arrives is answered at once.
LOSE = """
import sys
PROBE = '''
import errno, socket, sys
probe = socket.socket()
probe.settimeout(0.5)
sys.exit(probe.connect_ex((sys.argv[1], 9)) != errno.ECONNREFUSED)
'''
first.up()
for number, name in ((11, "box1"), (12, "box2"), (13, "box3")):
    first.up_host(name, [first.address(number)])
one, two, three = (first.address(number) for number in (11, 12, 13))
def reaches(host, address):
    there = ["nsenter", f"--net={first.namespace_file(host)}", sys.executable, "-c", PROBE, address]
    return run(there, check=False).returncode == 0
"""


def test_packets_between_two_hosts_are_lost_and_no_others(tmp_path: Path) -> None:
    script = """
first.lose("box2", two, [one])
print(json.dumps([reaches("box1", two), reaches("box2", one), reaches("box3", two)]))
first.down()
"""
    assert in_sandbox(tmp_path, LOSE + script) == [False, False, True]


def test_losing_packets_can_be_changed_and_ended_at_any_time(tmp_path: Path) -> None:
    script = """
seen = []
for others in ([], [one], [one], [three], [], []):
    first.lose("box2", two, others)
    seen.append(reaches("box1", two))
print(json.dumps(seen))
first.down()
"""
    assert in_sandbox(tmp_path, LOSE + script) == [True, False, False, True, True, True]


def test_down_ends_the_losing_of_packets(tmp_path: Path) -> None:
    script = """
first.lose("box2", two, [one])
first.down()
print(json.dumps([run(["nft", "list", "ruleset"]).stdout, os.listdir(NETNS)]))
"""
    assert in_sandbox(tmp_path, LOSE + script) == ["", []]
