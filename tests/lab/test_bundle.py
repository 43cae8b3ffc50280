"""Deploys out of a bundle, on hosts from which nothing but each other can be reached."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from llmrack_lab.base import host_architecture
from llmrack_lab.lab import Lab
from llmrack_lab.standins.ollama import STANDIN_VERSION
from tests.lab.older_release import archive_of
from tests.lab.site import Run, Site
from tests.lab.sources import bytes_sent, mirror_of, registry_of, trusted

BOXES = {"box2": ("gpu", "gateway"), "box3": ("gpu",)}
STACK = {
    "providers": {"local": {"kind": "ollama", "group": "gpu"}},
    "models": {
        "llama3.2:1b": {"provider": "local"},
        "helper": {"provider": "local", "create": {"from": "qwen2.5-coder:0.5b", "system": "Hi."}},
    },
}
# Not the version that the settings of the lab's hosts name.
VERSION = "0.99.0-standin"
SHIPPED = ("curl", "zstd", "nftables", "python3-venv", "python3.11-venv", "python3-pip-whl")


def create(site: Site, folder: Path) -> Run:
    """``llmrack bundle create`` for what the site declares; models from the lab's registry."""
    return site.run(
        "llmrack", "bundle", "create", str(folder), "--inventory", site.inventory,
        "--for", "debian-12-amd64" if host_architecture() == "amd64" else "debian-12-arm64",
        "--registry", registry_of(site.lab),
        SSL_CERT_FILE=trusted(site.lab, site.folder),
    )  # fmt: skip


@pytest.fixture(scope="module")
def bundle(lab: Lab, module_site: Site) -> Path:
    """A bundle with another version of Ollama, fetched from the lab's mirror and registry."""
    arch = host_architecture()
    mirror = lab.folder / "mirror"
    file = f"ollama-linux-{arch}.tar.zst"
    (mirror / f"v{VERSION}").mkdir(exist_ok=True)
    original = mirror / f"v{STANDIN_VERSION}" / file
    sha256 = archive_of(VERSION, original, mirror / f"v{VERSION}" / file)
    module_site.declare(BOXES, STACK, ollama_version=VERSION, ollama_sha256={arch: sha256},
                        ollama_mirror=mirror_of(lab), gpu_required=False)  # fmt: skip
    folder = lab.folder / "bundle"
    made = create(module_site, folder)
    assert made.code == 0, made.output
    return folder


@pytest.fixture(scope="module")
def cut_off(lab: Lab, fresh: Callable[[str], None]) -> Iterator[None]:
    """Bare hosts that reach each other and this machine, and have no package cache."""
    network = lab.host("box2").address.rpartition(".")[0]
    services = [f"{network}.{number}" for number in range(2, 6)]
    for name in BOXES:
        fresh(name)
        # sudo leaves a mark in the home of who uses it first, pretended GPUs a cache.
        lab.host(name).ssh("sudo nvidia-smi || true", user="admin")
        lab.host(name).ssh(
            f"apt-get purge -y -q {' '.join(SHIPPED)}; rm -rf /var/lib/apt/lists/* "
            "/var/cache/apt/*.bin /var/cache/apt/archives/*.deb /etc/apt/sources.list.d/* "
            "/etc/apt/apt.conf.d/90lab /etc/pip.conf /etc/uv/uv.toml; ip route del default; "
            + "; ".join(f"ip route add unreachable {each}" for each in services)
        )
    yield
    for name in BOXES:
        lab.host(name).ssh(
            f"ip route flush type unreachable; ip route replace default via {network}.1"
        )
        fresh(name)


@pytest.fixture
def offline(module_site: Site, bundle: Path, cut_off: None) -> Site:
    """The site as declared for a deploy out of the bundle, by a login user that needs sudo."""
    module_site.declare(BOXES, STACK, bundle=str(bundle), gpu_required=False, ssh_user="admin")
    return module_site


def listings(site: Site) -> set[str]:
    return {f"{name} {line}" for name in BOXES for line in site.listing(name).splitlines()}


def test_hosts_reach_nothing_but_each_other(offline: Site) -> None:
    try_it = (
        "import socket, sys\n"
        "for place in [('1.1.1.1', 443), ('registry.ollama.ai', 443), ('mirror.lab', 80)]:\n"
        "    try: socket.create_connection(place, timeout=3); print(place)\n"
        "    except OSError: pass\n"
    )
    for name in BOXES:
        assert offline.lab.host(name).ssh("python3 -", input=try_it).stdout == ""


@pytest.mark.parametrize(
    "kind",
    [
        "ollama/*.zst",
        "*/packages/zstd_*.deb",
        "*/packages/Packages",
        "*/wheels/litellm-*.whl",
        "models/blobs/*",
        "models/manifests/*/*/*/*",
    ],
)
def test_one_damaged_byte_is_refused_by_name_before_anything_is_touched(
    offline: Site, bundle: Path, kind: str
) -> None:
    file = next(iter(sorted(bundle.glob(kind))))
    content = file.read_bytes()
    before = listings(offline)
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    try:
        run = offline.deploy()
        found = offline.run("llmrack", "bundle", "check", str(bundle))
    finally:
        file.write_bytes(content)
    assert run.code == 1
    assert f"{file} is damaged" in run.output
    assert "no host was touched" in run.output
    assert "Traceback" not in run.output
    assert listings(offline) ^ before == set()
    assert found.code == 1
    assert found.output.startswith(f"{file} is damaged")


def test_damaged_lock_file_is_a_mistake_in_the_declaration(offline: Site, bundle: Path) -> None:
    file = bundle / "gateway" / "requirements.txt"
    content = file.read_text()
    file.write_text(content.replace("litellm==", "1itellm=="))
    try:
        run = offline.deploy()
    finally:
        file.write_text(content)
    assert run.code == 1
    assert "gateway/requirements.txt is damaged" in run.output


def test_host_of_another_system_is_refused(offline: Site, bundle: Path) -> None:
    index = bundle / "bundle.json"
    text = index.read_text()
    data = json.loads(text)
    its = data["targets"][0]
    index.write_text(json.dumps(data | {"targets": ["debian-13-amd64"]}))
    try:
        run = offline.deploy()
    finally:
        index.write_text(text)
    assert run.code == 1
    assert f"is for debian-13-amd64, and this is {its}" in run.output


def test_model_that_the_bundle_lacks_is_a_mistake_in_the_declaration(
    site: Site, bundle: Path
) -> None:
    more = {"models": STACK["models"] | {"all-minilm": {"provider": "local"}}}
    site.declare(BOXES, STACK | more, bundle=str(bundle), gpu_required=False)
    run = site.deploy()
    assert run.code == 1
    assert f"{bundle} has no model all-minilm:latest" in run.output


def test_model_that_arrives_damaged_is_not_used_and_sent_anew_by_the_next_run(
    offline: Site, bundle: Path
) -> None:
    index = json.loads((bundle / "bundle.json").read_text())
    blobs = index["models"]["llama3.2:1b"]["blobs"]
    weights = max(blobs, key=lambda name: index["files"][name]["size"])
    # Half of it lies there from an earlier run, and is wrong.
    folder = "/home/llm/.ollama/models/.llmrack"
    part = f"sha256-{index['files'][weights]['sha256']}.part"
    half = index["files"][weights]["size"] // 2
    assert offline.deploy("--limit", "lab", "--dry").code == 0
    for name in BOXES:
        offline.on(name, f"useradd -m llm && mkdir -p {folder} && chown -R llm: /home/llm && "
                         f"head -c {half} /dev/urandom > {folder}/{part} && "
                         f"chown llm: {folder}/{part}")  # fmt: skip
    run = offline.deploy()
    assert run.code == 1
    assert "it arrived damaged" in run.output
    assert offline.on("box2", f"ls {folder}") == ""


def test_everything_is_deployed_out_of_the_bundle(offline: Site, bundle: Path) -> None:
    sent = bytes_sent(offline.lab)
    run = offline.deployed()
    assert "checks proven" in run.output
    for name in BOXES:
        version = offline.as_service(name, "~/.local/opt/ollama/current/bin/ollama -v")
        assert VERSION in version
        assert offline.on(name, "dpkg-query -W curl zstd nftables")
        left = "/var/tmp/llmrack* ~llm/.ollama/models/.llmrack/* ~llm/.local/opt/*/venvs/*.wheels"
        assert offline.on(name, f"ls -d {left} 2>/dev/null || true") == ""
        assert offline.on(name, "ls /etc/apt/sources.list.d /var/lib/apt/lists") == (
            "/etc/apt/sources.list.d:\n\n/var/lib/apt/lists:"
        )
    assert bytes_sent(offline.lab) == sent


def test_second_run_changes_nothing(offline: Site) -> None:
    offline.settled()


def test_create_mends_what_is_damaged_and_keeps_what_is_right(
    offline: Site, bundle: Path, site: Site
) -> None:
    index = json.loads((bundle / "bundle.json").read_text())
    site.declare(BOXES, STACK, ollama_version=VERSION, ollama_sha256=index["ollama_sha256"],
                 ollama_mirror=mirror_of(site.lab), gpu_required=False)  # fmt: skip
    (right,) = (bundle / "ollama").iterdir()
    written = right.stat().st_mtime_ns
    for kind in ("*/packages/zstd_*.deb", "*/wheels/litellm-*.whl", "models/blobs/*"):
        file = next(iter(sorted(bundle.glob(kind))))
        content = file.read_bytes()
        file.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    made = create(site, bundle)
    assert made.code == 0, made.output
    assert json.loads((bundle / "bundle.json").read_text()) == index
    assert right.stat().st_mtime_ns == written
    assert site.run("llmrack", "bundle", "check", str(bundle)).code == 0
