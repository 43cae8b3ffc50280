"""Sources that send nothing, something else, or half of it.

Hosts: box1 and box2 (gpu); the gateway on box3 is declared and left alone.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import pytest

from llmrack_lab.base import host_architecture
from llmrack_lab.standins.ollama import STANDIN_VERSION
from tests.lab.faults.table import record
from tests.lab.older_release import archive_of
from tests.lab.site import STACK, Run, Site

BOX, OTHER = "box1", "box2"
ENGINES = {BOX: ("gpu",), OTHER: ("gpu",), "box3": ("gateway",)}
UNIT = "llmrack-ollama@main.service"
BLOBS = "/home/llm/.ollama/models/blobs"
BOUND = 120  # seconds
WORDS = {
    "damage": "one byte is another one",
    "short": "Content-Length says half of it",
    "reset": "the connection breaks, again and again",
    "loop": "redirected without end",
    "stall": "nothing more comes",
}
EXPECTED = "one error names what and why; nothing is switched; an end within bounds"
# A model for each way in which a blob can come badly.
MODELS = {
    "damage": "gemma3:latest",
    "short": "gemma3:27b",
    "reset": "llava:latest",
    "loop": "llama3.1:8b",
    "stall": "qwen2.5-coder:7b",
}


@pytest.fixture(scope="module")
def deployed(module_site: Site, fresh: Callable[[str], None]) -> Site:
    for name in (BOX, OTHER):
        fresh(name)
    module_site.only = "gpu"
    module_site.declare(ENGINES)
    module_site.deployed()
    return module_site


@pytest.fixture
def site(deployed: Site) -> Iterator[Site]:
    """Two engines that serve; all sources are well again in the end."""
    yield deployed
    for source in ("mirror", "registry"):
        deployed.lab.fault(source, "ok")


def process(site: Site) -> str:
    return site.as_service(BOX, f"systemctl --user show -P MainPID {UNIT}")


def failed(site: Site, said: str) -> tuple[Run, float]:
    """A deploy that fails for one reason; and the seconds until it gave up."""
    begun = time.monotonic()
    run = site.deploy()
    seconds = time.monotonic() - begun
    assert run.code == 1, run.output
    assert re.search(said, run.output), run.output
    assert len(re.findall(r"\[box\d\] \S.* failed: ", run.output)) == 1, run.output
    assert "Traceback" not in run.output
    return run, seconds


def recovered(site: Site) -> float:
    begun = time.monotonic()
    site.deployed()
    seconds = time.monotonic() - begun
    site.settled()
    return seconds


_patches = count(1)


def declare_next_release(site: Site) -> str:
    """A release of Ollama that the mirror has; its version."""
    version, file = f"0.40.{next(_patches)}", f"ollama-linux-{host_architecture()}.tar.zst"
    mirror = site.lab.folder / "mirror"
    target = mirror / f"v{version}" / file
    target.parent.mkdir(exist_ok=True)
    digest = archive_of(version, mirror / f"v{STANDIN_VERSION}" / file, target)
    site.declare(
        {BOX: ("gpu",), "box3": ("gateway",)},
        ollama_version=version,
        ollama_sha256={host_architecture(): digest},
    )
    return version


def version(site: Site) -> str:
    told = site.on(BOX, "curl -fs http://127.0.0.1:11434/api/version")
    return str(json.loads(told)["version"])


@contextmanager
def impatient_curl(site: Site) -> Iterator[None]:
    """curl on box1 waits for 2 s where it is told 30, once where it is told four times."""
    script = '#!/bin/sh\nexec /usr/bin/curl "$@" --speed-time 2 --retry 1\n'
    wrapper = "/usr/local/bin/curl"
    site.lab.host(BOX).ssh(f"cat >{wrapper} && chmod 755 {wrapper}", input=script)
    try:
        yield
    finally:
        site.on(BOX, f"rm -f {wrapper}")


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("damage", "is not the pinned file: its SHA-256 differs from ollama_sha256"),
        ("short", "is not the pinned file: its SHA-256 differs from ollama_sha256"),
        ("reset", "transfer closed with|Recv failure"),
        ("loop", r"Maximum \(50\) redirects followed"),
        ("stall", "Operation too slow"),
    ],
)
def test_a_release_that_comes_badly_is_not_installed(site: Site, fault: str, said: str) -> None:
    new, (old, before) = declare_next_release(site), (version(site), process(site))
    site.lab.fault("mirror", fault)
    with impatient_curl(site):
        run, seconds = failed(site, said)
    assert "fetching http://mirror.lab/" in run.output
    assert "no source has the pinned file: set ollama_mirror" in run.output
    assert (version(site), process(site)) == (old, before)
    assert seconds < BOUND
    site.lab.fault("mirror", "ok")
    took = recovered(site)
    assert version(site) == new
    told = {
        "damage": "refused by its digest",
        "short": "refused by its digest",
        "stall": "given up (curl's waiting was shortened for the test)",
    }
    record(
        f"Ollama's archive from a mirror: {WORDS[fault]}",
        EXPECTED,
        f"{told.get(fault, 'given up')}, named with each source; the release before it served on",
        took,
    )


def test_a_release_that_promises_too_much_is_taken_where_it_is_the_pinned_one(site: Site) -> None:
    new = declare_next_release(site)
    site.lab.fault("mirror", "long")
    begun = time.monotonic()
    site.deployed()
    assert version(site) == new
    record(
        "Ollama's archive from a mirror: Content-Length says more than there is",
        "what has the pinned digest is taken, nothing else",
        "asked again for what is lacking; installed, as its digest is the pinned one",
        time.monotonic() - begun,
    )


def test_a_file_of_this_machine_that_is_no_archive_is_refused(site: Site) -> None:
    declare_next_release(site)
    old, before = version(site), process(site)
    page = site.folder / "page.tar.zst"
    page.write_text("<html>an error page</html>")
    site.declare({BOX: ("gpu",), "box3": ("gateway",)}, ollama_archive=str(page))
    site.on(BOX, "rm -rf /home/llm/.local/opt/ollama/" + f"{STANDIN_VERSION}-*")
    failed(site, "is damaged or not the pinned file: its SHA-256 differs from ollama_sha256")
    assert (version(site), process(site)) == (old, before)
    record(
        "Ollama's archive on the machine that deploys: an error page",
        EXPECTED,
        "refused by its digest on the host; the release before it served on",
        recovered_by_mirror(site),
    )


def recovered_by_mirror(site: Site) -> float:
    declare_next_release(site)
    return recovered(site)


def declare_models(site: Site, *names: str, **data: object) -> None:
    more: dict[str, Any] = {name: {"provider": "local"} for name in names}
    site.declare(ENGINES, STACK | {"models": STACK["models"] | more}, **data)


@pytest.fixture(scope="module")
def got(deployed: Site) -> list[str]:
    """The models that the tests before have brought, to the release that all engines have."""
    declare_models(deployed)
    deployed.deployed()
    return []


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("damage", "what the registry sent is damaged .*digest mismatch"),
        ("short", "what the registry sent is damaged .*digest mismatch"),
        ("reset", "Ollama says: max retries exceeded: .*EOF"),
        ("loop", "Ollama says: .*redirect"),
        ("stall", "no (progress|word from Ollama) within 2 s"),
    ],
)
def test_a_blob_that_comes_badly_is_no_model(
    site: Site, got: list[str], fault: str, said: str
) -> None:
    site.only = BOX
    before = process(site)
    # Ollama needs some time for its own words, more of it on a busy machine.
    deadline = 2 if fault == "stall" else 60
    declare_models(site, *got, MODELS[fault], ollama_pull_deadline=deadline)
    site.lab.fault("registry", fault)
    run, seconds = failed(site, f"OllamaModel {MODELS[fault]} failed: {said}")
    assert "4 attempts were made" in run.output
    assert MODELS[fault] not in site.on(BOX, "curl -fs http://127.0.0.1:11434/api/tags")
    assert seconds < BOUND
    site.lab.fault("registry", "ok")
    took = recovered(site)
    assert process(site) == before
    got.append(MODELS[fault])
    record(
        f"a model's blob from the registry: {WORDS[fault]}",
        EXPECTED,
        "given up after 4 attempts, with Ollama's words; there is no such model; the others serve",
        took,
    )


def test_a_blob_that_is_damaged_where_it_is_copied_from_is_refused(
    site: Site, got: list[str]
) -> None:
    site.only, model = OTHER, "qwen2.5-coder:0.5b"
    declare_models(site, *got, model)
    site.deployed()
    path = site.on(
        OTHER,
        "cd /home/llm/.ollama/models; d=$(grep -o 'sha256:[0-9a-f]*' manifests/registry.ollama.ai/"
        "library/qwen2.5-coder/0.5b | sed s/:/-/ | sed s,^,blobs/,); ls -S $d | head -1",
    )
    blob = f"/home/llm/.ollama/models/{path}"
    site.on(OTHER, f"cp -p {blob} /root/blob; printf X | dd of={blob} bs=1 seek=999 conv=notrunc")
    site.only = "gpu"
    begun = time.monotonic()
    run = site.deployed()
    seconds = time.monotonic() - begun
    assert re.search(rf"{model} cannot be copied from box2: its blob \w+ is damaged", run.output)
    digest = path.rpartition("sha256-")[2]
    assert site.on(BOX, f"sha256sum {BLOBS}/sha256-{digest}").startswith(digest)
    site.on(OTHER, f"cp -p /root/blob {blob}")
    site.settled()
    record(
        "a model's blob: damaged on the host that it is copied from",
        "refused by its digest; the model is pulled instead",
        "the blob and its host were named; pulled from the registry",
        seconds,
    )
