"""A removal leaves a host as it was before the first deploy, but for what it says.

box1 has everything that llmrack can bring: an engine behind its guard, a gateway, Prometheus.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from llmrack.components.monitor.monitor import METRICS
from llmrack.resources.ownership import MADE
from llmrack.resources.script import script_file
from tests.lab.faults.table import record
from tests.lab.site import STACK, Run, Site

HOST = "box1"
EVERYTHING = {HOST: ("gpu", "gateway", "monitor")}
# Without a gateway, which takes half a minute.
ENGINE = {
    "providers": {"local": STACK["providers"]["local"]},
    "models": {"llama3.2:1b": {"provider": "local"}},
}
MODELS = "/home/llm/.ollama/models"

# What no removal puts back: logs, caches, what apt and dpkg note of themselves, the copies of their
# files that programs keep, random and volatile things of systemd, what Python compiles for the lab.
OTHERS = (
    *("/dev", "/proc", "/run", "/sys", "/tmp", "/var/cache", "/var/lib/apt", "/var/lib/dpkg"),
    *("/var/log", "/var/lib/systemd", "/var/tmp", "/etc/*-", "/etc/.pwd.lock", "/root/.ssh"),
    "/usr/local/lib/pretended-gpus",
)


@dataclass(frozen=True)
class Host:
    """What can be seen of a host, by kind."""

    files: frozenset[str]
    users: frozenset[str]
    packages: frozenset[str]
    units: frozenset[str]
    listening: frozenset[str]
    tables: frozenset[str]
    runtime: frozenset[str]


def look(site: Site) -> Host:
    def lines(command: str) -> frozenset[str]:
        return frozenset(site.on(HOST, command).splitlines())

    pruned = " -o ".join(f"-path '{each}' -prune" for each in OTHERS)
    return Host(
        lines(
            rf"find / -xdev \( {pruned} \) -o -printf '%p %y %U:%G %m %l\n'; "
            rf"find /etc /home /opt /root /srv /usr/local /var -xdev \( {pruned} \) -o "
            # What differs of accounts is seen below.
            r"-type f ! -regex '/etc/\(g?shadow\|passwd\|group\)' -exec sha256sum {} +"
        ),
        lines("getent passwd; getent group; ls /var/lib/systemd/linger"),
        lines("dpkg-query -W -f '${Package} ${Version} ${db:Status-Status}\n' | grep installed"),
        lines(
            "systemctl list-unit-files --plain --no-legend | grep -v ' transient ' | "
            "awk '{print $1, $2}'; "
            "systemctl list-units --state=active --plain --no-legend -t service,socket | "
            # ldconfig: at the first boot alone.
            "awk '{print $1}' | grep -vE '^(user|session-|systemd-|apt-|dpkg-|ldconfig)'"
        ),
        lines("ss -Hltn | awk '{print $4}'"),
        lines("nft list tables"),
        lines("ls -d /run/llmrack* /run/user/*/llmrack /var/tmp/llmrack* 2>/dev/null; :"),
    )


def upgrade(site: Site) -> None:
    """Bring all packages up to date: what a deploy installs may need a newer one of another."""
    site.on(
        HOST,
        "export DEBIAN_FRONTEND=noninteractive; apt-get -qq update && "
        "apt-get -qq -y upgrade >/dev/null 2>&1",
    )


def differences(before: Host, after: Host) -> dict[str, tuple[list[str], list[str]]]:
    """By kind: what is gone, and what has come."""
    kinds = before.__dataclass_fields__
    pairs = {kind: (getattr(before, kind), getattr(after, kind)) for kind in kinds}
    return {
        kind: (sorted(was - now), sorted(now - was))
        for kind, (was, now) in pairs.items()
        if was != now
    }


def remove(site: Site, *options: str) -> Run:
    return site.run("pyinfra", site.inventory, "remove.py", "--limit", HOST, *options)


def removed(site: Site, *options: str) -> Run:
    run = remove(site, "-y", *options)
    assert run.code == 0, run.output
    return run


@dataclass(frozen=True)
class Course:
    """What was seen before the first deploy, and what the runs after it did."""

    site: Site
    before: Host
    made: set[str]
    dry: Run
    changed_by_dry: dict[str, tuple[list[str], list[str]]]
    removal: Run
    after: Host


@pytest.fixture(scope="module")
def course(module_site: Site, fresh: Callable[[str], None]) -> Course:
    site = module_site
    fresh(HOST)
    upgrade(site)
    # So that a deploy has something to install.
    site.on(HOST, "apt-get -qq -y purge zstd >/dev/null")
    before = look(site)
    site.declare(EVERYTHING)
    site.deployed()
    made = set(site.on(HOST, f"cat {MADE}").splitlines())
    deployed = look(site)
    dry = remove(site, "--dry")
    changed_by_dry = differences(deployed, look(site))
    removal = removed(site)
    return Course(site, before, made, dry, changed_by_dry, removal, look(site))


def test_a_deploy_notes_what_it_makes_beside_its_files(course: Course) -> None:
    assert course.made >= {"user llm", "linger llm", "package zstd", "package prometheus"}
    assert "package curl" not in course.made


def test_a_dry_removal_says_what_would_go_and_removes_nothing(course: Course) -> None:
    assert course.dry.code == 0, course.dry.output
    changed = {line for kind in course.changed_by_dry.values() for part in kind for line in part}
    # What is measured goes on.
    measured = re.compile(f"/var/lib/prometheus/|{METRICS}/")
    assert {line for line in changed if not measured.search(line)} == set()
    for text in ("llmrack-gateway.socket", "User llm: to be removed", "zstd", "1 models stay in"):
        assert text in course.dry.output, course.dry.output


def assert_models_alone_stay(before: Host, after: Host) -> None:
    """Nothing of a deploy is there but the models, their note, and the user of a package."""
    found = differences(before, after)
    gone, come = found.pop("files")
    assert gone == []
    others = [line for line in come if MODELS not in line and MADE not in line]
    # useradd has other rules on each Debian (HOME_MODE in login.defs).
    assert others[0] in ("/home/llm d 0:0 755 ", "/home/llm d 0:0 700 ")
    assert others[1:] == [
        "/home/llm/.ollama d 0:0 755 ",
        "/var/lib/llmrack d 0:0 755 ",
    ]
    gone, come = found.pop("users")
    assert (gone, {line.partition(":")[0] for line in come}) == ([], {"prometheus"})
    assert found == {}


def test_a_removal_leaves_the_models_their_note_and_the_user_of_a_package(course: Course) -> None:
    assert_models_alone_stay(course.before, course.after)
    record(
        "removal of everything from a host",
        "it differs from before by what the removal has named",
        "models, their note, the user of a package; nothing else",
    )


def test_kept_models_belong_to_root(course: Course) -> None:
    command = f"find {MODELS} ! -user root; ls {MODELS}/manifests/registry.ollama.ai/library"
    assert course.site.on(HOST, command) == "llama3.2"


def test_a_second_removal_changes_nothing_by_one_command(course: Course) -> None:
    run = removed(course.site, "--debug")
    assert not run.changed, run.output
    assert set(run.commands.values()) == {1}
    record("a second removal", "changes nothing", "nothing changed, one look")


def test_a_deploy_after_it_works_and_has_the_kept_models(course: Course) -> None:
    run = deployed_engine(course.site)
    assert "OllamaModel" not in run.output
    assert course.site.on(HOST, f"find {MODELS} ! -user llm") == ""
    assert "kept" not in course.site.on(HOST, f"cat {MADE}")
    record(
        "a deploy after a removal",
        "works, with the models that were kept",
        "converged; no model was pulled",
    )


def test_without_notes_user_and_packages_stay_and_that_is_said(course: Course) -> None:
    deployed_engine(course.site)
    course.site.on(HOST, f"rm {MADE}")
    run = removed(course.site)
    for text in ("the user llm stays", "linger of llm stays", "all packages stay"):
        assert text in run.output, run.output
    found = differences(course.before, look(course.site))
    assert [line for line in found["packages"][1] if line.startswith("zstd ")]
    assert not found.keys() & {"units", "listening", "tables", "runtime"}, found
    record(
        "removal from a host that lost its notes",
        "user, linger and packages stay, and that is said",
        "they stay; units, ports and rules are gone",
    )


def test_models_go_where_that_is_asked_for(course: Course) -> None:
    run = removed(course.site, "--data", "remove_models=true")
    assert run.changed
    assert course.site.on(HOST, f"ls -d {MODELS} /var/lib/llmrack", check=False) == ""


def test_packages_that_others_need_or_that_were_edited_are_not_removable(course: Course) -> None:
    noted = "zstd libzstd1 nftables absent"
    told = course.site.on(
        HOST,
        "apt-get -qq -y install zstd >/dev/null; echo '# mine' >>/etc/nftables.conf; "
        f"mkdir -p /var/lib/llmrack; printf 'package %s\\n' {noted} >{MADE}\n"
        + script_file("resources/look/removable.sh"),
    )
    course.site.on(HOST, f"rm -r {MADE.rpartition('/')[0]}")
    assert told.splitlines() == [
        *(f"package\t{name}\tinstalled" for name in ("libzstd1", "nftables", "zstd")),
        "removable\tzstd",
    ]


def deployed_engine(site: Site) -> Run:
    """A deploy of box1 alone, as a mere engine."""
    site.declare({HOST: ("gpu",), "box2": ("gateway",)}, ENGINE)
    site.only = HOST
    return site.deployed()
