"""What is refused, and what fails without harm: the host keeps what it has, the reason is said.

Host: box4.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from llmrack_lab.shell import wait_until
from tests import DEADLINE
from tests.lab.load import Load, lost
from tests.lab.site import STACK, Run, Site

BOX = {"box4": ("gpu", "gateway")}
OLLAMA = "llmrack-ollama@main.service"
GATEWAY = "/home/llm/.local/opt/llmrack-gateway"
WRONG = "0" * 64
# Another chain is another configuration, and so another release of the gateway.
OTHER_CHAIN = STACK | {"chains": {"gpt-oss:20b-cloud": ["llama3.2:1b"]}}


@pytest.fixture(scope="module")
def bare(module_site: Site, fresh: Callable[[str], None]) -> Site:
    """A fresh host. What is refused leaves it as it is, so one does for all."""
    fresh("box4")
    return module_site


@pytest.fixture
def made(bare: Site) -> Iterator[Callable[[str, str], None]]:
    """Do something to the host, undone after the test."""
    undo: list[str] = []

    def do(command: str, undone_by: str) -> None:
        undo.append(undone_by)
        bare.on("box4", command)

    yield do
    for command in reversed(undo):
        bare.on("box4", command)


def refused(site: Site, reason: str) -> None:
    """The plan says that the host is refused, and so does the run; neither changes anything.

    + reason: how the reason begins, a regular expression
    """
    before = site.listing("box4")
    plan = site.run("pyinfra", site.inventory, "deploy.py", "--dry")
    run = site.deploy()
    assert run.code == 1
    for said in (plan.output, run.output):
        assert re.search(rf"\[box4\] refused, nothing was changed: {reason}", said), said
        assert "Traceback" not in said
    assert "would change" not in plan.output
    assert site.listing("box4") == before


def test_a_disk_that_is_too_small_is_refused(bare: Site, made: Callable[[str, str], None]) -> None:
    made(
        "mkdir /mnt/small && mount -t tmpfs -o size=600m small /mnt/small",
        "umount /mnt/small && rmdir /mnt/small",
    )
    bare.declare(BOX, service_home="/mnt/small/llm")
    refused(bare, "the filesystem at /mnt/small has 600 MiB free, but ")
    said = bare.deploy().output
    for part in (r"llama3\.2:1b \d+ MiB", r"release \d+ MiB", r"gateway 1,600 MiB", "make room"):
        assert re.search(part, said), said


def test_models_that_do_not_fit_where_they_go_are_refused(
    bare: Site, made: Callable[[str, str], None]
) -> None:
    made(
        "mkdir /mnt/small && mount -t tmpfs -o size=500m small /mnt/small",
        "umount /mnt/small && rmdir /mnt/small",
    )
    bare.declare(BOX, ollama_models="/mnt/small/models")
    # What goes elsewhere does not count.
    refused(
        bare,
        r"the filesystem at /mnt/small has 500 MiB free, but \d+ MiB are needed "
        r"\(llama3\.2:1b \d+ MiB, and 500 MiB are kept free\): make room",
    )


@pytest.mark.parametrize(
    ("mode", "folder", "reason"),
    [
        (700, "/srv/disk/models", r"llm may not enter /srv/disk; chmod o\+x /srv/disk"),
        (755, "/srv/disk", "llm may not write to /srv/disk; name a folder below it"),
    ],
)
def test_a_models_directory_that_the_service_user_cannot_use_is_refused(
    bare: Site, made: Callable[[str, str], None], mode: int, folder: str, reason: str
) -> None:
    made(f"mkdir -m {mode} /srv/disk", "rmdir /srv/disk")
    bare.declare(BOX, ollama_models=folder)
    refused(bare, f"the models directory {folder} cannot be used: {reason}")


def test_a_declared_mount_that_is_absent_is_refused(bare: Site) -> None:
    bare.declare(BOX, ollama_models="/srv/models", ollama_models_mount="/srv/models")
    refused(bare, "nothing is mounted at /srv/models, and the models would fill the disk below it")


def test_a_service_user_that_lives_elsewhere_is_refused(
    bare: Site, made: Callable[[str, str], None]
) -> None:
    made("useradd --home-dir /srv/llm llm", "userdel llm")
    bare.declare(BOX)
    refused(bare, "its user llm lives in /srv/llm, not in /home/llm: set service_home, or")


def test_a_system_without_apt_is_refused(bare: Site, made: Callable[[str, str], None]) -> None:
    made("mv /usr/bin/apt-get /usr/bin/apt-get.away", "mv /usr/bin/apt-get.away /usr/bin/apt-get")
    bare.declare(BOX)
    refused(bare, "it has no apt-get: only Debian and its derivatives are supported")


def test_a_processor_without_a_pinned_release_is_refused(bare: Site) -> None:
    arch = {"x86_64": "amd64", "aarch64": "arm64"}[bare.on("box4", "uname -m")]
    other = {"amd64": "arm64", "arm64": "amd64"}[arch]
    bare.declare(BOX, ollama_sha256={other: WRONG})
    refused(bare, f"ollama_sha256 has no digest for {arch}: add the one of that archive")


@pytest.fixture(scope="module")
def deployed(bare: Site) -> Site:
    bare.declare(BOX)
    bare.deployed()
    return bare


@pytest.fixture
def site(deployed: Site) -> Site:
    """The host, deployed as BOX and STACK say."""
    deployed.declare(BOX)
    deployed.deployed()
    return deployed


def serving(site: Site) -> list[str]:
    """What runs: the processes of Ollama and the gateway, and where their links lead."""
    units = f"{OLLAMA} llmrack-gateway@blue.service llmrack-gateway@green.service"
    return [
        site.as_service("box4", f"systemctl --user show -P MainPID -P ActiveState {units}"),
        site.on("box4", f"readlink {GATEWAY}/current /home/llm/.local/opt/ollama/current"),
    ]


def failed(site: Site, reason: str) -> Run:
    """A deploy that fails, and says why."""
    run = site.deploy()
    assert run.code == 1
    assert reason in run.output, run.output
    return run


def test_an_archive_that_is_not_the_pinned_one_is_not_installed(site: Site) -> None:
    before = serving(site)
    site.declare(BOX, ollama_sha256={"amd64": WRONG, "arm64": WRONG})
    failed(site, "is not the pinned file: its SHA-256 differs from ollama_sha256")
    assert serving(site) == before
    assert site.on("box4", "ls /home/llm/.cache/llmrack") == ""


def test_a_model_that_the_registry_lacks_is_named(site: Site) -> None:
    before = serving(site)
    models = STACK["models"] | {"llama3.2:nonesuch": {"provider": "local"}}
    site.declare(BOX, STACK | {"models": models})
    run = failed(site, "the registry has no model 'llama3.2:nonesuch': correct its name or tag")
    assert "Traceback" not in run.output
    assert serving(site) == before


def test_a_release_that_fails_its_trial_leaves_the_old_one_serving(
    site: Site, made: Callable[[str, str], None]
) -> None:
    path = site.on("box4", f"realpath {GATEWAY}/current/venv/lib/python3*/site-packages/uvicorn")
    before = serving(site)
    made(f"mv {path} {path}.away", f"test -e {path} || mv {path}.away {path}")
    site.declare(BOX, OTHER_CHAIN)
    with Load(site, "box4") as load:
        failed(site, "the candidate on a spare port failed: it ended with ")
        load.wait_for(2)
    assert serving(site) == before
    assert lost(load.answers) == {}
    site.on("box4", f"mv {path}.away {path}")
    site.deployed()
    assert serving(site) != before
    site.settled()


def test_a_proof_that_fails_fails_the_deploy_and_is_made_up_for(site: Site) -> None:
    environment = {"OLLAMA_CONTEXT_LENGTH": 8192, "OLLAMA_KEEP_ALIVE": "44s"}
    site.declare(BOX, ollama_environment=environment)
    site.lab.fault("cloud", "401")
    run = failed(site, "[box4] not proven: gpt-oss:20b-cloud chat: ")
    assert "401" in run.output
    assert "[box4] journal: " in run.output
    for name, value in site.secrets.items():
        assert value not in run.output, name
    site.lab.fault("cloud", "ok")
    again = site.deployed()
    proven = re.search(r"(\d+) of (\d+) checks proven", again.output)
    assert proven and proven[1] == proven[2], again.output
    site.settled()


@pytest.fixture
def stalling_registry(deployed: Site) -> Iterator[None]:
    deployed.lab.fault("registry", "stall")
    yield
    deployed.lab.fault("registry", "ok")


@pytest.mark.usefixtures("stalling_registry")
def test_a_pull_that_stalls_is_tried_again_given_up_and_made_up_for(deployed: Site) -> None:
    site = deployed
    models = STACK["models"] | {"qwen2.5-coder:7b": {"provider": "local"}}
    site.declare(BOX, STACK | {"models": models}, ollama_pull_deadline=2)
    run = failed(site, "4 attempts were made, the next deploy goes on where this one ended")
    stalls = re.findall(r"no (?:progress|word from Ollama) within 2 s \(attempt", run.output)
    assert len(stalls) == 4, run.output
    site.lab.fault("registry", "ok")
    site.deployed()
    assert site.chat("box4", "qwen2.5-coder:7b").status_code == 200
    site.settled()


def test_a_models_directory_that_root_must_make_is_made_and_used(
    site: Site, made: Callable[[str, str], None]
) -> None:
    made(":", "rm -r /srv/models")
    site.declare(BOX, ollama_models="/srv/models")
    site.deployed()
    assert site.on("box4", "stat -c '%U %a' /srv/models") == "llm 755"
    assert site.on("box4", "find /srv/models/manifests -type f -printf '%f\\n'") == "1b"
    assert site.chat("box4", "llama3.2:1b").status_code == 200
    site.settled()


@pytest.mark.parametrize("folder", ["/srv/models", "/srv/models/ollama"])
def test_models_on_a_mount_are_served_from_there_alone(
    site: Site, made: Callable[[str, str], None], folder: str
) -> None:
    mount = "mount --bind /mnt/disk /srv/models"
    made(
        f"mkdir /mnt/disk /srv/models && chown llm /mnt/disk /srv/models && {mount}",
        f"umount /srv/models; systemctl --user -M llm@.host stop {OLLAMA}; "
        "rm -r /mnt/disk /srv/models",
    )
    site.declare(BOX, ollama_models=folder, ollama_models_mount="/srv/models")
    site.deployed()
    assert site.chat("box4", "llama3.2:1b").status_code == 200
    site.settled()

    site.on("box4", "umount /srv/models")
    # Not by its unit: journald may look for that when so short a process is gone.
    journal = f"journalctl -q -o cat --since=@{site.on('box4', 'date +%s')}"
    site.as_service("box4", f"systemctl --user restart {OLLAMA}", check=False)
    said = "/srv/models is not mounted"
    assert wait_until(lambda: said in site.on("box4", journal).splitlines(), DEADLINE)
    assert site.on("box4", "ls /srv/models") == ""

    site.on("box4", mount)
    answers = "curl -fs 127.0.0.1:11434/api/version"
    assert wait_until(lambda: bool(site.on("box4", answers, check=False)), DEADLINE)
    site.settled()
