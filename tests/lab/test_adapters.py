"""Models with a LoRA adapter, which Ollama takes up to 0.34.0. Host: box4 (gpu)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llmrack_lab.base import host_architecture
from llmrack_lab.standins.ollama import STANDIN_VERSION
from tests.contract.test_ollama_create import write_adapter
from tests.lab.older_release import archive_of
from tests.lab.site import Site

BOX = "box4"
HOSTS = {BOX: ("gpu",), "box3": ("gateway",)}
OLDER = "0.34.0-standin"


@pytest.fixture(scope="module")
def older(module_site: Site) -> dict[str, Any]:
    """The settings of a host with an Ollama that takes adapters."""
    arch = host_architecture()
    file = f"ollama-linux-{arch}.tar.zst"
    original = module_site.lab.folder / "mirror" / f"v{STANDIN_VERSION}" / file
    target = module_site.folder / "older" / file
    sha256 = archive_of(OLDER, original, target)
    return {
        "ollama_version": OLDER,
        "ollama_sha256": {arch: sha256},
        "ollama_archive": str(target),
    }


@pytest.fixture(scope="module")
def site(module_site: Site, fresh: Callable[[str], None]) -> Site:
    """A bare box."""
    fresh(BOX)
    module_site.only = BOX
    return module_site


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    """An adapter for the lab's language models."""
    return write_adapter(tmp_path / "support.gguf")


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def declare(site: Site, settings: dict[str, Any], adapter: Path, sha256: str = "") -> None:
    file = {"file": str(adapter), "sha256": sha256 or sha256_of(adapter)}
    create = {"from": "llama3.2", "adapters": [file]}
    stack = {
        "providers": {"local": {"kind": "ollama"}},
        "models": {"tuned": {"provider": "local", "create": create}},
    }
    site.declare(HOSTS, stack, **settings)


def adapters(site: Site) -> list[str]:
    """The adapters of the model ``tuned``, as the files of Ollama's store."""
    shown = site.on(BOX, 'curl -fs 127.0.0.1:11434/api/show -d \'{"model": "tuned"}\'')
    lines = json.loads(shown)["modelfile"].splitlines()
    return [line.rpartition("/")[2] for line in lines if line.startswith("ADAPTER ")]


def test_an_ollama_that_takes_none_is_named_before_a_host_is_touched(
    site: Site, adapter: Path
) -> None:
    declare(site, {}, adapter)
    run = site.deploy()
    assert run.code == 1
    assert "no host was touched" in run.output
    assert f"Ollama {STANDIN_VERSION} on {BOX} takes no LoRA adapters" in run.output


def test_a_model_is_made_with_an_adapter(site: Site, older: dict[str, Any], adapter: Path) -> None:
    declare(site, older, adapter)
    site.deployed()
    assert adapters(site) == [f"sha256-{sha256_of(adapter)}"]
    site.settled()


def test_a_changed_adapter_makes_the_model_anew(
    site: Site, older: dict[str, Any], adapter: Path
) -> None:
    declare(site, older, write_adapter(adapter, scale=8.0))
    dry = site.run("pyinfra", site.inventory, "deploy.py", "--dry")
    assert "CreatedModel tuned:latest: declared differently" in dry.output
    site.deployed()
    assert adapters(site) == [f"sha256-{sha256_of(adapter)}"]
    site.settled()


def test_an_adapter_with_another_checksum_is_refused_by_name(
    site: Site, older: dict[str, Any], adapter: Path
) -> None:
    before = adapters(site)
    declare(site, older, adapter, sha256="a" * 64)
    run = site.deploy()
    assert run.code == 1
    assert "support.gguf has the SHA-256" in run.output
    assert adapters(site) == before
