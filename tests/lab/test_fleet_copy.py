"""Models travel once per fleet: one host pulls, the others copy, and nothing of it stays.

Hosts: box2, box3 and box4 (gpu); the gateway on box1 is declared and left alone.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from llmrack_lab.lab import Lab
from llmrack_lab.shell import wait_until
from llmrack_lab.standins.weights import write_llama
from tests import DEADLINE
from tests.lab.site import Run, Site

BOXES = {"box2": ("gpu",), "box3": ("gpu",), "box4": ("gpu",)}
HOSTS = BOXES | {"box1": ("gateway",)}
SOURCES = ("box2", "box4")
SMALL, LARGE = "llama3.2:1b", "qwen2.5-coder:7b"
STACK = {
    "providers": {"local": {"kind": "ollama", "group": "gpu"}},
    "models": {SMALL: {"provider": "local"}, LARGE: {"provider": "local"}},
}
MODELS = "/home/llm/.ollama/models"
MANIFESTS = f"{MODELS}/manifests/registry.ollama.ai/library"
# What the source's sshd runs; a program of this name is found before it.
TAIL = "/usr/local/bin/tail"


@pytest.fixture(scope="module")
def first(module_site: Site, fresh: Callable[[str], None]) -> tuple[Site, int, Run]:
    """The boxes, the bytes of blobs that the registry sent for them, and the run."""
    for name in BOXES:
        fresh(name)
    module_site.declare(HOSTS, STACK)
    module_site.only = "gpu"
    before = sent(module_site.lab)
    run = module_site.deploy()
    return module_site, sent(module_site.lab) - before, run


@pytest.fixture
def site(first: tuple[Site, int, Run]) -> Iterator[Site]:
    """The three boxes with both models."""
    site, _, _ = first
    site.deployed()
    yield site
    for box in BOXES:
        site.on(box, f"rm -f {TAIL} /etc/ssh/sshd_config.d/refuse.conf; systemctl reload ssh")
        # What slowed a source down has outlived its connection.
        site.on(box, "pkill -u llm -x sleep", check=False)


def sent(lab: Lab) -> int:
    """Bytes of blobs that the registry has sent."""
    url = f"{lab.control('registry')}/bytes"
    number: int = httpx.get(url, verify=False).json()["bytes_sent"]
    return number


def manifest(site: Site, box: str, model: str) -> str:
    return site.on(box, f"cat {MANIFESTS}/{model.replace(':', '/')}")


def blobs(site: Site, box: str, *models: str) -> dict[str, int]:
    """Digest (hex) and size of each blob of the models."""
    found = [json.loads(manifest(site, box, model)) for model in models]
    layers = [layer for each in found for layer in [*each["layers"], each["config"]]]
    return {layer["digest"].removeprefix("sha256:"): layer["size"] for layer in layers}


def remove(site: Site, box: str, model: str) -> None:
    """Take a model from a host, as if it had never been there."""
    others = {digest for each in {SMALL, LARGE} - {model} for digest in blobs(site, box, each)}
    own = set(blobs(site, box, model)) - others
    files = " ".join(f"{MODELS}/blobs/sha256-{digest}" for digest in own)
    site.as_service(box, f"rm -r {files} {MANIFESTS}/{model.partition(':')[0]}")


def left(site: Site, box: str) -> str:
    """Everything that a copy might leave behind."""
    names = site.on(
        box,
        "cat /home/llm/.ssh/authorized_keys 2>/dev/null; "
        f"find /home/llm /run/user/$(id -u llm) /tmp -xdev -not -path '{MODELS}/[bm]*' "
        r"| grep -v '/systemd\|/gateway\|\.journal\|llmrack-gateway\|invocation'",
    )
    # sshd's own processes of an ended session linger for a moment.
    busy = "pgrep -u llm -a 'ssh|tail|sleep|sha256sum'"
    wait_until(lambda: not site.on(box, busy, check=False), 5)
    return "\n".join([*sorted(site.listening(box)), site.on(box, busy, check=False), names])


def test_each_byte_of_a_model_crosses_the_internet_once(first: tuple[Site, int, Run]) -> None:
    site, crossed, run = first
    assert run.code == 0, run.output
    assert crossed == sum(blobs(site, "box2", SMALL, LARGE).values())
    assert re.findall(r"copied from box\d", run.output)


def test_every_host_has_the_same_model(site: Site) -> None:
    for model in (SMALL, LARGE):
        assert len({manifest(site, box, model) for box in BOXES}) == 1
    for box in BOXES:
        sums = "; ".join(
            f"echo {digest}  {MODELS}/blobs/sha256-{digest} | sha256sum -c --quiet"
            for digest in blobs(site, "box2", SMALL, LARGE)
        )
        assert site.on(box, sums) == ""


def test_a_model_that_one_host_has_is_not_pulled_and_nothing_stays(site: Site) -> None:
    before = {box: left(site, box) for box in BOXES}
    for box in ("box3", "box4"):
        remove(site, box, LARGE)
    crossed = sent(site.lab)
    run = site.deployed()
    assert f"[box3] {LARGE}: copied from box2" in run.output
    assert f"[box4] {LARGE}: copied from box2" in run.output
    assert sent(site.lab) == crossed
    assert {box: left(site, box) for box in BOXES} == before
    site.settled()


def send_by(site: Site, script: str) -> None:
    """Have box2 and box4 send blobs through ``script``, and count what they send."""
    for box in SOURCES:
        site.lab.host(box).ssh(
            f"cat >{TAIL} && chmod 755 {TAIL}; install -o llm /dev/null /tmp/sent",
            input=f'#!/bin/sh\n/usr/bin/tail "$@" | {script} | tee -a /tmp/sent\n',
        )


def test_a_copy_that_was_interrupted_goes_on_where_it_ended(site: Site) -> None:
    before = left(site, "box3")
    remove(site, "box3", LARGE)
    shared = blobs(site, "box2", SMALL)
    size = sum(n for digest, n in blobs(site, "box2", LARGE).items() if digest not in shared)
    send_by(site, "{ head -c 3000000; sleep 600; }")
    part = f"cat {MODELS}/.llmrack/*.part | wc -c"
    with site.start("pyinfra", site.inventory, "deploy.py", "-y") as deploy:
        try:
            there = wait_until(lambda: int(site.on("box3", part, check=False)) >= 3_000_000, 60)
        finally:
            deploy.kill()
        assert there, deploy.communicate()[0]
    # Nobody listens any more, so the copy ends by itself and its key goes.
    key = "ls /run/user/$(id -u llm)/llmrack-copy"
    assert wait_until(lambda: not site.on("box3", key, check=False), DEADLINE)
    send_by(site, "cat")
    site.deployed()
    sent_again = sum(int(site.on(box, "wc -c </tmp/sent")) for box in SOURCES)
    assert sent_again == size - 3_000_000
    for box in SOURCES:
        site.on(box, "rm /tmp/sent")
    assert left(site, "box3") == before


def test_a_damaged_blob_is_noticed_and_the_model_pulled(site: Site) -> None:
    remove(site, "box3", LARGE)
    digests = blobs(site, "box2", LARGE)
    damaged = max(digests, key=lambda digest: digests[digest])
    for box in SOURCES:
        site.as_service(
            box,
            f"printf x | dd of={MODELS}/blobs/sha256-{damaged} bs=1 seek=8000000 conv=notrunc",
        )
    before = sent(site.lab)
    run = site.deployed()
    reason = rf"{LARGE} cannot be copied from box\d: its blob {damaged} is damaged there"
    assert len(re.findall(reason, run.output)) == 2, run.output
    assert sent(site.lab) - before >= digests[damaged]
    assert site.on("box3", f"sha256sum {MODELS}/blobs/sha256-{damaged}").startswith(damaged)
    assert site.on("box3", f"ls -d {MODELS}/.llmrack", check=False) == ""
    for box in SOURCES:
        remove(site, box, LARGE)


def test_a_source_that_lets_the_service_user_not_in_is_passed_over(site: Site) -> None:
    remove(site, "box3", LARGE)
    for box in SOURCES:
        site.on(box, "echo DenyUsers llm >/etc/ssh/sshd_config.d/refuse.conf; systemctl reload ssh")
    before = sent(site.lab)
    run = site.deployed()
    reason = rf"{LARGE} cannot be copied from box\d: llm@[\d.]+: Permission denied"
    assert len(re.findall(reason, run.output)) == 2, run.output
    assert sent(site.lab) > before


def test_a_source_that_sends_nothing_is_given_up(site: Site) -> None:
    remove(site, "box3", LARGE)
    send_by(site, "sleep 600")
    site.declare(HOSTS, STACK, ollama_pull_deadline=3)
    run = site.deployed()
    reason = rf"{LARGE} cannot be copied from box\d: nothing came for 3 s"
    assert len(re.findall(reason, run.output)) == len(SOURCES), run.output
    site.declare(HOSTS, STACK)


def test_what_a_killed_run_left_on_the_source_goes_with_the_next_copy(site: Site) -> None:
    remove(site, "box3", LARGE)
    remove(site, "box4", LARGE)
    own = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHIGOk9SiKWA5/7PdHM1GQ4rZQ1YVDzUJ7sTaWgTbhsA me"
    site.as_service(
        "box2",
        "umask 077; mkdir -p /home/llm/.ssh; "
        f"printf '%s\\n' '{own}' 'restrict {own} llmrack-copy-0123456789ab-1' "
        ">/home/llm/.ssh/authorized_keys",
    )
    site.deployed()
    assert site.on("box2", "cat /home/llm/.ssh/authorized_keys") == own
    site.on("box2", "rm -r /home/llm/.ssh")


def test_a_key_of_a_copy_is_good_for_nothing_but_blobs(site: Site) -> None:
    remove(site, "box3", LARGE)
    send_by(site, "{ head -c 100000; sleep 600; }")
    key = "/run/user/$(id -u llm)/llmrack-copy"
    granted = "grep -sl llmrack-copy /home/llm/.ssh/authorized_keys"
    with site.start("pyinfra", site.inventory, "deploy.py", "-y") as deploy:
        try:

            def sources() -> list[str]:
                return [box for box in SOURCES if site.on(box, granted, check=False)]

            assert wait_until(sources, DEADLINE), deploy.communicate()[0]
            source = site.lab.host(sources()[0]).address
            assert wait_until(
                lambda: site.on("box3", f"ls {key}/known_hosts", check=False), DEADLINE
            )
            ssh = (
                f"ssh -F none -i {key}/key -o UserKnownHostsFile={key}/known_hosts "
                f"-o HostKeyAlias=llmrack-source -o BatchMode=yes llm@{source}"
            )
            for command in ("id", "cat /etc/passwd", "../../x 0", "", f"{'0' * 64} 0 0"):
                answer = site.as_service("box3", f"{ssh} {command} 2>&1; echo $?", check=False)
                assert answer.splitlines()[-1] == "65", (command, answer)
        finally:
            deploy.kill()


def test_a_local_file_is_sent_once_and_copied_from_there(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "support.gguf"
    write_llama(path, "support", 4096)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    create = {"gguf": str(path), "sha256": digest}
    models = STACK["models"] | {"support": {"provider": "local", "create": create}}
    site.declare(HOSTS, STACK | {"models": models})
    run = site.deployed()
    assert len(re.findall(f"sha256:{digest}: copied from", run.output)) == 2
    for box in BOXES:
        assert site.on(box, f"sha256sum {MODELS}/blobs/sha256-{digest}").startswith(digest)
    site.settled()
