"""Where Ollama's release comes from: a file of the controller's, a mirror, in that order."""

from __future__ import annotations

import pytest

from tests.lab.site import Site
from tests.lab.sources import archive_path

ENGINE = {"box1": ("gpu", "gateway"), "box2": ("gpu",)}
RELEASES = "/home/llm/.local/opt/ollama"


@pytest.mark.parametrize("user", ["root", "admin"])
def test_a_local_archive_is_sent_and_nothing_is_fetched(site: Site, user: str) -> None:
    site.declare(ENGINE, ollama_archive=str(archive_path(site.lab)), ollama_mirror="http://nowhere.lab",
                 ssh_user=user)  # fmt: skip
    site.on("box2", f"rm -rf {RELEASES}", check=False)
    run = site.deployed()
    assert "Archive" in run.output
    assert site.on("box2", "ls /var/tmp/llmrack-* 2>/dev/null || true") == ""
    site.settled()


def test_a_mirror_that_is_down_is_passed_over_for_the_next_source(site: Site) -> None:
    site.declare(ENGINE, ollama_mirror="http://127.0.0.1:9")
    site.on("box2", f"rm -rf {RELEASES}", check=False)
    run = site.deploy("--limit", "box2")
    # The lab has no way to GitHub: both sources are named in the reason.
    assert run.code == 1
    assert "fetching http://127.0.0.1:9/" in run.output
    assert "fetching https://github.com/ollama/ollama/releases/download/" in run.output


def test_a_local_archive_that_is_not_there_is_named(site: Site) -> None:
    site.declare(ENGINE, ollama_archive="/nowhere/ollama.tar.zst")
    site.on("box2", f"rm -rf {RELEASES}", check=False)
    run = site.deploy("--limit", "box2")
    assert run.code == 1
    assert "there is no file /nowhere/ollama.tar.zst: correct ollama_archive" in run.output
